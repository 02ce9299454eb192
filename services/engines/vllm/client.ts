import { errorFrom } from '#platform/errors.ts';
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
import { type ServerHttp, createServerHttp } from '../kit/server-http.ts';
import {
  completionAnswer,
  generateAnswer,
  infoAnswer,
  loadOfMetrics,
  scoresOf,
  turnOfCompletion,
  turnOfGenerate,
  versionAnswer,
  weightAnswer,
} from './answers.ts';

/** What one server was found to have. */
interface Found {
  readonly model: string;
  readonly maxContextTokens: number;
  /** `/inference/v1/generate`; otherwise `/v1/completions` with `return_token_ids`. */
  readonly tokensRoute: boolean;
  /** Routes of VLLM_SERVER_DEV_MODE. */
  readonly devMode: boolean;
  /** The worker's method that loads weights: `gradus_worker.py` has one of its own on the CPU. */
  readonly reload: 'reload_weights' | 'reload_with_tied_head';
}

const name = 'vllm';
const abortMs = 5_000;
const probe = {
  topK: 1,
  advice: {
    ids: 'vllm gives no token ids: start it with --enable-scale-out, or take a version of 0.10.2 or later.',
    logprobs: 'vllm gives no log-probabilities: start it with --logprobs-mode processed_logprobs.',
    raw: 'vllm gives raw log-probabilities: to train at another temperature than 1, start it with --logprobs-mode processed_logprobs.',
  },
};

/** vLLM 0.32 by HTTP: token ids in and out, weights from a directory. */
export function connectVllm(baseUrl: string, modelName: string | undefined): EngineServer {
  const http = createServerHttp(name, baseUrl);
  let found: Found | undefined;

  async function find(signal: AbortSignal): Promise<Found> {
    const models = http.parse('/v1/models', await http.get('/v1/models', signal), modelsAnswer);
    const model = modelName ?? models.data[0]?.id ?? '';
    // Before anything is asked by that name.
    const maxContextTokens = contextOf(name, models.data, model);
    const tokensRoute = await has(
      http.post(
        '/inference/v1/generate',
        { model, token_ids: [1], sampling_params: { max_tokens: 1, temperature: 0 } },
        signal,
      ),
    );
    const devMode = await has(http.get('/weight_info', signal));
    const extended = devMode && (await has(rpc('can_reload_with_tied_head', {}, signal), [500]));
    const reload = extended ? 'reload_with_tied_head' : 'reload_weights';
    return (found = { model, maxContextTokens, tokensRoute, devMode, reload });
  }
  const known = async (signal: AbortSignal): Promise<Found> => found ?? (await find(signal));

  const rpc = (method: string, kwargs: Readonly<Record<string, string>>, signal: AbortSignal): Promise<string> =>
    http.post('/collective_rpc', { method, kwargs }, signal);

  async function describe(signal: AbortSignal): Promise<ServerDescription> {
    const { model, maxContextTokens, tokensRoute, devMode } = await find(signal);
    const { version } = http.parse('/version', await http.get('/version', signal), versionAnswer);
    const dtype = devMode ? await dtypeOf(http, signal) : undefined;
    const logprobs = await probeLogprobs({ generate, score }, probe, signal);
    const forms = await probeForms({ generate }, signal);
    const weights = devMode ? await weightVersion(signal) : undefined;
    return {
      program: `vllm ${version}`,
      model,
      maxContextTokens,
      ...logprobs,
      toleranceNats: dtype === 'torch.float32' ? 0.002 : 0.05,
      loadsVersions: devMode,
      forms,
      ...(weights !== undefined && { version: weights }),
      advice: [
        ...logprobs.advice,
        ...(devMode
          ? []
          : [
              'vllm takes no weights while it runs: start it with VLLM_SERVER_DEV_MODE=1, on an address that only this machine reaches.',
            ]),
        ...(tokensRoute ? [] : ['vllm does not say which weights wrote a token: start it with --enable-scale-out.']),
      ],
    };
  }

  async function weightVersion(signal: AbortSignal): Promise<bigint | undefined> {
    const text = await http.get('/weight_info', signal);
    return versionOf(http.parse('/weight_info', text, weightAnswer).weight_version);
  }

  async function generate(request: ServerRequest, signal: AbortSignal): Promise<ServerTurn> {
    const { model, tokensRoute } = await known(signal);
    const { requestId, tokenIds, cacheNamespace } = request;
    const fields = { model, request_id: requestId, cache_salt: cacheNamespace };
    const id = tokensRoute ? `generate-tokens-${requestId}` : `cmpl-${requestId}-0`;
    const onAbort = (): void => giveUp(id);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (tokensRoute) {
        const body = { ...fields, token_ids: tokenIds, sampling_params: samplingOf(request) };
        const text = await http.post('/inference/v1/generate', body, signal);
        return turnOfGenerate(http.parse('/inference/v1/generate', text, generateAnswer));
      }
      const body = { ...fields, prompt: tokenIds, ...samplingOf(request), return_token_ids: true };
      const text = await http.post('/v1/completions', body, signal);
      return turnOfCompletion(http.parse('/v1/completions', text, completionAnswer));
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** A connection that closes ends a turn as well; this one ends it also behind a proxy that keeps the connection. */
  function giveUp(id: string): void {
    const body = { request_ids: [id] };
    const signal = AbortSignal.timeout(abortMs);
    const path = found?.tokensRoute === true ? '/inference/v1/abort_requests' : '/abort_requests';
    // Not there without the mode, or the server is gone: the turn has ended or will with its connection.
    http.post(path, body, signal).catch(() => undefined);
  }

  async function score(tokenIds: readonly number[], signal: AbortSignal): Promise<readonly number[]> {
    const { model, tokensRoute } = await known(signal);
    const sampling = { max_tokens: 1, temperature: 0, prompt_logprobs: 0 };
    if (tokensRoute) {
      const body = { model, token_ids: tokenIds, sampling_params: sampling };
      const text = await http.post('/inference/v1/generate', body, signal);
      return scoresOf(tokenIds, http.parse('/inference/v1/generate', text, generateAnswer).prompt_logprobs);
    }
    const text = await http.post('/v1/completions', { model, prompt: tokenIds, ...sampling }, signal);
    return scoresOf(tokenIds, http.parse('/v1/completions', text, completionAnswer).choices[0]?.prompt_logprobs);
  }

  async function load({ version, directory }: ServerWeights, signal: AbortSignal): Promise<void> {
    const { reload } = await known(signal);
    await http.post('/pause?mode=keep', undefined, signal);
    try {
      await rpc(reload, { weights_path: directory }, signal);
      await http.post('/update_weight_version', { new_version: String(version) }, signal);
      // What runs computes its keys and values anew: those of other weights would give other log-probabilities than a pass of these.
      await http.post('/reset_prefix_cache?reset_running_requests=true', undefined, signal);
    } finally {
      await http.post('/resume', undefined, AbortSignal.timeout(abortMs));
    }
  }

  return {
    describe,
    generate,
    score,
    load,
    async tokenize(text, signal) {
      const { model } = await known(signal);
      const body = { model, prompt: text, add_special_tokens: false };
      return http.parse('/tokenize', await http.post('/tokenize', body, signal), tokenizeAnswer).tokens;
    },
    async status(signal) {
      const counted = loadOfMetrics(await http.get('/metrics', signal));
      const version = (await known(signal)).devMode ? await weightVersion(signal) : undefined;
      return { ...counted, ...(version !== undefined && { version }) };
    },
    close: () => http.close(),
  };
}

function samplingOf({ temperature, topP, topK, maxNewTokens, seed, stop, form }: ServerRequest) {
  return {
    ...(form !== undefined && { structured_outputs: structuredOf(form) }),
    temperature,
    top_p: topP,
    top_k: topK,
    max_tokens: maxNewTokens,
    ...(temperature > 0 && { seed }),
    stop,
    // Of the sampled token; without both, versions differ in whether there are any.
    logprobs: 0,
    top_logprobs: 0,
    // A stop string is sought in the text that our tokenizer would decode.
    skip_special_tokens: false,
    spaces_between_special_tokens: false,
  };
}

function structuredOf({ kind, definition }: ServerForm): object {
  switch (kind) {
    case 'json_object':
      return { json_object: true };
    case 'json_schema':
      return { json: definition };
    case 'regex':
      return { regex: definition };
    case 'grammar':
      return { grammar: definition };
  }
}

/** A route that is not there answers 404 or 405, one that is switched off 403. */
const noRoute = [403, 404, 405];

async function has(asked: Promise<unknown>, missing: readonly number[] = noRoute): Promise<boolean> {
  try {
    await asked;
    return true;
  } catch (thrown) {
    if (missing.some((status) => status === errorFrom(thrown).details['status'])) return false;
    throw thrown;
  }
}

/** Undefined where the server does not say it: then the wider tolerance holds. */
async function dtypeOf(http: ServerHttp, signal: AbortSignal): Promise<string | undefined> {
  const path = '/server_info?config_format=json';
  try {
    return http.parse(path, await http.get(path, signal), infoAnswer).vllm_config.model_config.dtype;
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return undefined;
  }
}
