import { TransientError, TerminalError } from '#platform/errors.ts';
import { createChatClient, type EndpointMessage, type ChatReply, type EndpointSampling } from './chat-client.ts';
import { isContextRefusal, refusalOf } from './refusal.ts';
import type { EndpointSettings } from './server-fields.ts';

export type EndpointAnswer =
  | ({ readonly kind: 'message' } & Pick<ChatReply, 'text' | 'cut' | 'promptTokens' | 'completionTokens'>)
  /** The conversation is longer than the model takes. */
  | { readonly kind: 'context' };

export interface ChatEndpoint {
  readonly url: string;
  /**
   * One call, no retries. `TransientError`: 429 and 5xx with what Retry-After says, no connection or one that was cut, an answer that is
   * none. `TerminalError` permission_denied: the server refuses, with its words and the fix. `CancelledError` when `signal` aborts.
   */
  complete(
    messages: readonly EndpointMessage[],
    sampling: EndpointSampling,
    signal: AbortSignal,
  ): Promise<EndpointAnswer>;
}

const nameKey = 'name the variable that holds the key: --api-key-env, or model.endpoint.api_key_env of a recipe';
const leaveTemperature = 'set the one that the model takes: extra_body: {temperature: 1} of model.endpoint in a recipe';

/** A policy at a server of the chat completions API: what is not an answer of the model is an error. */
export function createChatEndpoint(
  settings: Omit<EndpointSettings, 'maxTokensField'> & Partial<EndpointSettings>,
  apiKey: string | undefined,
): ChatEndpoint {
  const client = createChatClient({ ...settings, apiKey });
  const { url } = client;
  return {
    url,
    async complete(messages, sampling, signal) {
      try {
        const reply = await client.complete({ messages }, sampling, signal);
        if (reply.kind === 'none') throw new TransientError('aborted', `${url} answered ${reply.problem}`);
        const { text, cut, wrote, promptTokens, completionTokens } = reply;
        // A model that ends its turn at once has written a token: nothing at all is a fault of the server.
        if (text === '' && !wrote) throw new TransientError('aborted', `${url} answered 200 and an empty choice`);
        return { kind: 'message', text, cut, promptTokens, completionTokens };
      } catch (thrown) {
        if (!(thrown instanceof TerminalError)) throw thrown;
        if (isContextRefusal(thrown)) return { kind: 'context' };
        throw refusalOf(thrown, { ...settings, nameKey, leaveTemperature });
      }
    },
  };
}
