import { z } from 'zod';
import { environmentMetricsProblem } from '#rewards/environment-metrics.ts';
import { shortText } from '#platform/text/show-value.ts';
import type { TerminalError } from '#platform/errors.ts';
import { refusal } from '../face/refusal.ts';
import { issuesOf, reportedResult, type ReportedResult } from './agent-result.ts';

/**
 * What is reported of a session over HTTP, next to its calls of the model:
 *
 *     running --result, once--> ended
 *     any     --a reward of each name, once--> rewarded
 *
 * A report that cannot be taken is refused, and may be made again.
 */
export interface SessionReports {
  /** From now on the agent reports its result here; before that, a report of it is refused. */
  awaitResult(): Promise<ReportedResult>;
  /** Throws a refusal. */
  takeResult(body: unknown): void;
  /** `{ name: 0..1, … }`. Throws a refusal. */
  takeRewards(body: unknown): void;
  /** Those of the result and those attached. */
  rewards(): Readonly<Record<string, number>>;
  /** Resolves when each of `names` has a reward. */
  whenRewarded(names: readonly string[]): Promise<void>;
  /** Why the last report that could not be taken was refused. */
  lastRefusal(): string | undefined;
}

const attachedRewards = z.record(z.string(), z.number());

/** `known` are the rewards that the recipe names. */
export function createSessionReports(known: readonly string[]): SessionReports {
  const result = Promise.withResolvers<ReportedResult>();
  const rewards = new Map<string, number>();
  let awaited = false;
  let ended = false;
  let refused: string | undefined;
  let changed = Promise.withResolvers<void>();

  function refuse(reason: string, message: string, param?: string, code?: 'already_exists'): TerminalError {
    // Its sender chose the names in it.
    refused = shortText(message, 500);
    return refusal(reason, refused, param, code);
  }

  function parse<Value>(schema: z.ZodType<Value>, body: unknown): Value {
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    throw refuse('invalid_value', `body: ${issuesOf(parsed.error)}`);
  }

  function checkRewards(given: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(given)) {
      const at = `rewards.${shortText(name, 64)}`;
      if (!known.includes(name)) {
        const names = known.length === 0 ? 'names none' : `names ${known.join(', ')}`;
        throw refuse('unknown_reward', `${at}: the recipe ${names} in the option \`rewards\``, at);
      }
      if (!(value >= 0 && value <= 1)) throw refuse('invalid_value', `${at}: ${value}; it must be 0 to 1`, at);
      if (rewards.has(name)) {
        throw refuse('reward_exists', `${at}: it has been given, as ${rewards.get(name)}`, at, 'already_exists');
      }
    }
  }

  function addRewards(given: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(given)) rewards.set(name, value);
    changed.resolve();
    changed = Promise.withResolvers();
  }

  return {
    async awaitResult() {
      awaited = true;
      return await result.promise;
    },
    takeResult(body) {
      if (!awaited)
        throw refuse('no_result_here', 'the result of this agent is not taken over HTTP: see how it is started');
      if (ended)
        throw refuse('result_exists', 'the result of this session has been given', undefined, 'already_exists');
      const given = parse(reportedResult, body);
      checkRewards(given.rewards ?? {});
      const problem = environmentMetricsProblem(given.metrics ?? {});
      if (problem !== undefined) throw refuse('invalid_value', problem, 'metrics');
      ended = true;
      addRewards(given.rewards ?? {});
      result.resolve(given);
    },
    takeRewards(body) {
      const given = parse(attachedRewards, body);
      checkRewards(given);
      addRewards(given);
    },
    rewards: () => Object.fromEntries(rewards),
    async whenRewarded(names) {
      while (names.some((name) => !rewards.has(name))) await changed.promise;
    },
    lastRefusal: () => refused,
  };
}
