import { TransientError } from '#platform/errors.ts';
import type {
  EngineServer,
  ServerDescription,
  ServerForm,
  ServerRequest,
  ServerTurn,
  ServerWeights,
} from '../kit/engine-server.ts';
import { probeForms } from '../kit/probe-forms.ts';
import { probeLogprobs } from '../kit/probe-logprobs.ts';
import { contextOf, modelsAnswer, tokenizeAnswer, versionOf } from '../kit/server-answers.ts';
import { createServerHttp } from '../kit/server-http.ts';
import {
  generateAnswer,
  loadAnswer,
  loadOf,
  loadsAnswer,
  modelAnswer,
  scoresOf,
  serverAnswer,
  turnOf,
} from './answers.ts';

const name = 'sglang';
const abortMs = 5_000;

/** One of two: with one alone, and nothing else under way, the server would leave the temperature out. */
const probe = {
  topK: 2,
  advice: {
    ids: 'sglang gives no token ids.',
    logprobs: 'sglang gives no log-probabilities.',
    raw: 'sglang gives raw log-probabilities: to train at another temperature than 1, start it without SGLANG_RETURN_ORIGINAL_LOGPROB.',
  },
};

/** SGLang 0.5.23 by HTTP: token ids in and out, weights from a directory. */
export function connectSglang(baseUrl: string): EngineServer {
  const http = createServerHttp(name, baseUrl);

  async function describe(signal: AbortSignal): Promise<ServerDescription> {
    const models = http.parse('/v1/models', await http.get('/v1/models', signal), modelsAnswer);
    const model = models.data[0]?.id ?? '';
    const info = http.parse('/server_info', await http.get('/server_info', signal), serverAnswer);
    const version = await weightVersion(signal);
    const logprobs = await probeLogprobs({ generate, score }, probe, signal);
    return {
      program: `sglang ${info.version}`,
      model,
      maxContextTokens: contextOf(name, models.data, model),
      ...logprobs,
      forms: await probeForms({ generate }, signal),
      toleranceNats: info.dtype === 'float32' ? 0.002 : 0.05,
      loadsVersions: true,
      ...(version !== undefined && { version }),
      advice: [
        ...logprobs.advice,
        ...(info.enable_deterministic_inference === true
          ? []
          : ['sglang ignores the seeds of turns: start it with --enable-deterministic-inference.']),
      ],
    };
  }

  async function weightVersion(signal: AbortSignal): Promise<bigint | undefined> {
    return versionOf(http.parse('/model_info', await http.get('/model_info', signal), modelAnswer).weight_version);
  }

  async function generate(request: ServerRequest, signal: AbortSignal): Promise<ServerTurn> {
    const { requestId, tokenIds, priority, cacheNamespace } = request;
    // The server ends every turn whose id begins with the one to be given up: turn 1 must not begin turn 10.
    const rid = `${requestId}.`;
    const body = {
      rid,
      input_ids: tokenIds,
      sampling_params: samplingOf(request),
      return_logprob: true,
      priority,
      extra_key: cacheNamespace,
    };
    const onAbort = (): void => giveUp(rid);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return turnOf(http.parse('/generate', await http.post('/generate', body, signal), generateAnswer));
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** A turn whose connection closes ends once the server looks, which it does every few seconds. */
  function giveUp(rid: string): void {
    // The server is gone, and the turn with it.
    http.post('/abort_request', { rid }, AbortSignal.timeout(abortMs)).catch(() => undefined);
  }

  async function score(tokenIds: readonly number[], signal: AbortSignal): Promise<readonly number[]> {
    const body = {
      input_ids: tokenIds,
      sampling_params: { max_new_tokens: 1, temperature: 0 },
      return_logprob: true,
      logprob_start_len: 0,
    };
    return scoresOf(tokenIds, http.parse('/generate', await http.post('/generate', body, signal), generateAnswer));
  }

  async function load({ version, directory }: ServerWeights, signal: AbortSignal): Promise<void> {
    // Turns that run go back into the queue, and compute their keys and values anew: without a pause the load would wait for their ends.
    await http.post('/pause_generation', { mode: 'retract' }, signal);
    try {
      const body = { model_path: directory, weight_version: String(version), flush_cache: true };
      const text = await http.post('/update_weights_from_disk', body, signal);
      const { success, message } = http.parse('/update_weights_from_disk', text, loadAnswer);
      if (!success) throw new TransientError('aborted', `sglang did not load ${directory}: ${message}`);
    } finally {
      await http.post('/continue_generation', {}, AbortSignal.timeout(abortMs));
    }
  }

  return {
    describe,
    generate,
    score,
    load,
    async tokenize(text, signal) {
      const body = { prompt: text, add_special_tokens: false };
      return http.parse('/tokenize', await http.post('/tokenize', body, signal), tokenizeAnswer).tokens;
    },
    async status(signal) {
      const path = '/v1/loads?include=core';
      const counted = loadOf(http.parse(path, await http.get(path, signal), loadsAnswer));
      const version = await weightVersion(signal);
      return { ...counted, ...(version !== undefined && { version }) };
    },
    close: () => http.close(),
  };
}

function samplingOf({ temperature, topP, topK, maxNewTokens, seed, stop, form }: ServerRequest) {
  return {
    ...(form !== undefined && structuredOf(form)),
    temperature,
    top_p: topP,
    top_k: topK === 0 ? -1 : topK,
    max_new_tokens: maxNewTokens,
    sampling_seed: seed,
    ...(stop.length > 0 && { stop }),
    skip_special_tokens: false,
    no_stop_trim: true,
  };
}

function structuredOf({ kind, definition }: ServerForm): object {
  switch (kind) {
    case 'json_object':
      return { json_schema: '{"type": "object"}' };
    case 'json_schema':
      return { json_schema: definition };
    case 'regex':
      return { regex: definition };
    case 'grammar':
      return { ebnf: definition };
  }
}
