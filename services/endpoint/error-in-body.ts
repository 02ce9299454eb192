import { z } from 'zod';
import { errorOfStatus } from '#platform/http/post-json.ts';
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

/** What the names that servers give to errors mean as a status. */
const named: readonly (readonly [RegExp, number])[] = [
  [/rate.?limit|too.?many|resource.?exhausted|overloaded|throttl/i, 429],
  [/quota|billing|payment/i, 402],
  [/auth|api.?key|permission/i, 401],
  [/not.?found/i, 404],
  [/invalid|unsupported|context.?length/i, 400],
];

/**
 * The error that a body of status 200 holds, as routers and some servers send it (`{"error": {"code": 429}}`, also in a choice or
 * with `object: error`): as if it had come with its status. Undefined where there is none. One of no known kind may pass: it is
 * `unavailable`.
 */
export function errorInBody(json: unknown, who: string): TransientError | TerminalError | undefined {
  const error =
    whole.safeParse(json).data?.error ?? inChoice.safeParse(json).data?.choices[0].error ?? flat.safeParse(json).data;
  if (error === undefined) return undefined;
  const status = statusOf([error.code, error['status'], error['type'], error.message]);
  return errorOfStatus({ status, body: JSON.stringify({ error }), who, note: ' in a reply of status 200' });
}

function statusOf(hints: readonly unknown[]): number {
  for (const hint of hints) {
    const number = typeof hint === 'string' ? Number(hint) : hint;
    if (typeof number === 'number' && Number.isInteger(number) && number >= 400 && number <= 599) return number;
    const known = typeof hint === 'string' ? named.find(([pattern]) => pattern.test(hint)) : undefined;
    if (known !== undefined) return known[1];
  }
  return 500;
}
