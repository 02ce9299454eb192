import { z } from 'zod';
import { errorOfStatus, withoutKey } from '#platform/http/post-json.ts';
import type { TerminalError, TransientError } from '#platform/errors.ts';

const said = z.union([
  z.string().transform((message) => ({ message, code: undefined, status: undefined, type: undefined })),
  z.looseObject({
    message: z.string().catch(''),
    code: z.unknown().optional(),
    status: z.unknown().optional(),
    type: z.unknown().optional(),
  }),
]);
const whole = z.looseObject({ error: said });
const inChoice = z.looseObject({ choices: z.tuple([z.looseObject({ error: said })]).rest(z.unknown()) });
const flat = z.looseObject({ object: z.literal('error'), message: z.string(), code: z.unknown().optional() });

/** What the words of the names that servers give to errors mean as a status, and what may pass or needs money also in a sentence. */
const inSentences: readonly (readonly [RegExp, number])[] = [
  [/\b(?:rate ?limit(?:s|ed|ing)?|too many|resource exhausted|overloaded|throttl(?:ed|ing))\b/, 429],
  [/\b(?:quota|billing|payment|insufficient (?:balance|credits?|funds))\b/, 402],
];
const inNames: typeof inSentences = [
  ...inSentences,
  [/\b(?:auth|authentication|authorization|unauthenticated|unauthorized|api ?key|permission|forbidden)\b/, 401],
  [/\bnot ?found\b/, 404],
  [/\binvalid (?:request|argument|parameter|param|value|input|prompt|model|type)\b/, 400],
  [/\b(?:bad request|unsupported|context length)\b/, 400],
];

/**
 * The error that a body of status 200 holds, as routers and some servers send it (`{"error": {"code": 429}}`, also in a choice or
 * with `object: error`): as if it had come with its status, and without the key. Undefined where there is none, or one that says
 * nothing. Code, status and type name the kind; a sentence tells no more than 429 or 402, for it may speak of anything. One of no
 * known kind may pass: it is `unavailable`.
 */
export function errorInBody(
  json: unknown,
  who: string,
  apiKey: string | undefined,
): TransientError | TerminalError | undefined {
  const error = [
    whole.safeParse(json).data?.error,
    inChoice.safeParse(json).data?.choices[0].error,
    flat.safeParse(json).data,
  ].find((one) => one !== undefined && Object.values(one).some(Boolean));
  if (error === undefined) return undefined;
  const { message, code, status: named, type } = { status: undefined, type: undefined, ...error };
  const status =
    [code, named, type].map(statusOf).find((one) => one !== undefined) ?? statusIn(message, inSentences) ?? 500;
  const body = withoutKey(JSON.stringify({ error }), apiKey);
  return errorOfStatus({ status, body, who, note: ' in a reply of status 200' });
}

function statusOf(hint: unknown): number | undefined {
  const number = typeof hint === 'string' ? Number(hint) : hint;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 400 && number <= 599) return number;
  return typeof hint === 'string' ? statusIn(hint, inNames) : undefined;
}

/** `RateLimitError` and `rate_limit_error` have the same words. */
function statusIn(text: string, kinds: typeof inSentences): number | undefined {
  const words = text
    .replaceAll(/([a-z\d])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$3 $2')
    .replaceAll(/[\s_.-]+/g, ' ')
    .toLowerCase();
  return kinds.find(([pattern]) => pattern.test(words))?.[1];
}
