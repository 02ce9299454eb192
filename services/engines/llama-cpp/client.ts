import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import type { EngineServer, ServerForm, ServerRequest, ServerTurn } from '../kit/engine-server.ts';
import { probeForms } from '../kit/probe-forms.ts';
import { tokenizeAnswer } from '../kit/server-answers.ts';
import { createServerHttp } from '../kit/server-http.ts';
import { completionAnswer, propsAnswer, slotsAnswer, turnOf } from './answers.ts';

/** The greatest is no seed, but asks for a random one. */
const seeds = 2 ** 32 - 1;

/**
 * llama.cpp's server by HTTP. Its log-probabilities are left out: of a turn that ends with a stop string it gives those before that string alone, and a
 * turn has one for each token or none.
 */
export function connectLlamaCpp(baseUrl: string): EngineServer {
  const http = createServerHttp('llama.cpp', baseUrl);

  /** A turn ends with its connection. */
  async function generate(request: ServerRequest, signal: AbortSignal): Promise<ServerTurn> {
    const text = await http.post('/completion', bodyOf(request), signal).catch((thrown: unknown) => {
      const error = errorFrom(thrown);
      // The server lives and has given this turn up: its bytes are no text, which it insists on.
      if (error.details['status'] === 500)
        throw new TransientError('aborted', error.message, { cause: error, details: { status: 500 } });
      throw error;
    });
    return turnOf(http.parse('/completion', text, completionAnswer));
  }

  return {
    async describe(signal) {
      const forms = await probeForms({ generate }, signal, ['json_object', 'json_schema', 'grammar']);
      const props = http.parse('/props', await http.get('/props', signal), propsAnswer);
      return {
        program: `llama.cpp ${props.build_info}`,
        model: props.model_alias ?? '',
        // Of one slot: the server divides what it was started with among them.
        maxContextTokens: props.default_generation_settings.n_ctx,
        output: 'tokens',
        toleranceNats: 0.05,
        loadsVersions: false,
        forms,
        advice: [
          'llama.cpp gives no log-probability for every token and takes no weights: it evaluates, and cannot train.',
        ],
      };
    },
    generate,
    async tokenize(text, signal) {
      const body = { content: text, add_special: false, parse_special: true };
      return http.parse('/tokenize', await http.post('/tokenize', body, signal), tokenizeAnswer).tokens;
    },
    async status(signal) {
      const slots = http.parse('/slots', await http.get('/slots', signal), slotsAnswer);
      const running = slots.filter((slot) => slot.is_processing).length;
      // Each slot holds its own keys and values, so that the memory is as full as they are busy.
      return { running, waiting: 0, kvUsedRatio: running / Math.max(1, slots.length), preemptions: 0n };
    },
    close: () => http.close(),
  };
}

function formIn({ kind, definition }: ServerForm): object {
  switch (kind) {
    case 'json_object':
      return { json_schema: { type: 'object' } };
    case 'json_schema':
      return { json_schema: JSON.parse(definition) as unknown };
    case 'grammar':
      return { grammar: definition };
    case 'regex':
      throw new TerminalError('unimplemented', 'form.kind is regex; llama.cpp has none');
  }
}

function bodyOf({ tokenIds, temperature, topP, topK, maxNewTokens, seed, stop, form }: ServerRequest) {
  return {
    ...(form !== undefined && formIn(form)),
    prompt: tokenIds,
    n_predict: maxNewTokens,
    temperature,
    top_p: topP,
    top_k: topK,
    seed: seed % seeds,
    stop,
    // In this order, and nothing of what the server adds by itself: penalties, min-p and others.
    samplers: ['temperature', 'top_k', 'top_p'],
    cache_prompt: true,
    return_tokens: true,
    response_fields: ['tokens', 'stop_type', 'timings'],
  };
}
