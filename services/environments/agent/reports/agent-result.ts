import { z } from 'zod';
import { faultInWords } from '#user-code/user-code-error.ts';

/** How an agent ended, in a file or over HTTP. Which rewards there are, and their bounds, is the episode's to check. */
export const agentResult = z.strictObject({
  prediction: z.string().max(1_000_000).exactOptional(),
  rewards: z.record(z.string(), z.number()).exactOptional(),
  metrics: z.record(z.string(), z.number()).exactOptional(),
});

/** Over HTTP an agent has no exit code: it says in words that it failed. */
export const reportedResult = agentResult.extend({
  failure: z.string().min(1).max(10_000).exactOptional(),
});

export type AgentResult = z.output<typeof agentResult>;
export type ReportedResult = z.output<typeof reportedResult>;

export type AgentEnd =
  | { readonly kind: 'finished'; readonly result: AgentResult }
  /** By what it did, which may be the policy's doing: `failed_exit` says whose. */
  | { readonly kind: 'failed'; readonly why: string }
  /** By a limit on its memory or its processes, which the recipe sets: somebody has to look, also where the agent runs code of the model's. */
  | { readonly kind: 'over_limit'; readonly why: string };

/** Throws UserCodeError that begins with `where` and names the field. */
export function parseResult<Result>(schema: z.ZodType<Result>, value: unknown, where: string): Result {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw faultInWords(`${where} ${issuesOf(parsed.error)}`);
}

/** `rewards.mine: expected number; …` */
export function issuesOf({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `${path.length === 0 ? 'it' : path.join('.')}: ${message}`).join('; ');
}

export function endOfReport({ failure, ...result }: ReportedResult): AgentEnd {
  return failure === undefined ? { kind: 'finished', result } : { kind: 'failed', why: `it says: ${failure}` };
}
