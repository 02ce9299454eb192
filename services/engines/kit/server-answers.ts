/** Answers that several servers give alike. */
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';

/** `/v1/models` of OpenAI's form, with the length that vLLM and SGLang add. */
export const modelsAnswer = z.looseObject({
  data: z.array(z.looseObject({ id: z.string(), max_model_len: z.int().min(1).nullish() })).min(1),
});

/** Tokens of the longest sequence of `model`. Throws TerminalError where it is not listed, or without a length. */
export function contextOf(who: string, listed: z.output<typeof modelsAnswer>['data'], model: string): number {
  const found = listed.find(({ id }) => id === model);
  if (found === undefined) {
    const names = listed.map(({ id }) => `'${id}'`).join(', ');
    throw new TerminalError(
      'failed_precondition',
      `${who} has no model '${model}'; it lists ${names}: name one as options.model_name`,
    );
  }
  if (typeof found.max_model_len === 'number') return found.max_model_len;
  throw new TerminalError(
    'failed_precondition',
    `${who} lists model '${model}' without max_model_len; name the server itself, not a proxy that leaves it out`,
  );
}

/** `/tokenize`. */
export const tokenizeAnswer = z.looseObject({ tokens: z.array(z.int().min(0)) });

/** Of the weights' name: a number that a sidecar gave, or the one of weights that nobody has replaced. Undefined for names of others. */
export function versionOf(name: string | null | undefined): bigint | undefined {
  if (name === 'default') return 0n;
  return typeof name === 'string' && /^\d{1,16}$/.test(name) ? BigInt(name) : undefined;
}
