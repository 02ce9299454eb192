import type { EndpointMessage } from '#endpoint/chat-client.ts';
import type { AbsenceReason } from '#rewards/absence-reasons.ts';

/** Something to ask a judge, and how to read what it says. */
export interface Question<T> {
  /** Name and version of the wording; part of the cache's key. Changes with every change of the wording. */
  readonly template: string;
  readonly messages: readonly EndpointMessage[];
  /** JSON schema of the reply, for endpoints that can hold the model to it; absent where plain text is asked for. */
  readonly schema?: { readonly name: string; readonly schema: object };
  /** What a reply looks like; said once more to a judge whose reply could not be read. */
  readonly form: string;
  /** Undefined when the text cannot be read with certainty: then there is no number. Never guesses, never clamps. */
  parse(text: string): T | undefined;
}

export interface Absence {
  readonly kind: 'absent';
  readonly reason: AbsenceReason;
  /** For people. */
  readonly detail: string;
}

export function absent(reason: AbsenceReason, detail: string): Absence {
  return { kind: 'absent', reason, detail };
}
