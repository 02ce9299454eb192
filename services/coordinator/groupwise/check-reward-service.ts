import { TerminalError } from '#shared/errors.ts';
import { isCustom } from '#shared/recipe/stage-scorers.ts';
import type { Scorers } from '#shared/recipe/stage-scorers.ts';
import type { RewardClient } from './ask-patiently.ts';

const describeTimeoutMs = 10_000;

/** What a coordinator without a reward service says to what needs one. */
export function noRewardService(what: string): string {
  return `${what}, and this coordinator has no reward service: start it with --reward HOST:PORT (GRADUS_REWARD)`;
}

/**
 * Whether the scorers that a recipe declares can be had; nothing for a recipe without. Throws TerminalError('failed_precondition')
 * naming what is missing; `ask: false` looks no further than whether there is a service.
 */
export async function checkRewardService(
  { scorers = {} }: Scorers,
  client: RewardClient | undefined,
  ask: boolean,
  signal: AbortSignal,
): Promise<void> {
  const declared = Object.entries(scorers);
  if (declared.length === 0) return;
  if (client === undefined)
    throw new TerminalError(
      'failed_precondition',
      noRewardService(`the recipe declares scorers (${declared.map(([name]) => name).join(', ')})`),
    );
  if (!ask) return;
  const { judges, custom } = await client.describe({}, { signal, timeoutMs: describeTimeoutMs });
  const known = { judges: judges.map(({ name }) => name), custom: custom.map(({ name }) => name) };
  const missing = declared.flatMap(([name, scorer]) => {
    if (isCustom(scorer)) return known.custom.includes(name) ? [] : [`scorers.${name} (${scorer.kind})`];
    return known.judges.includes(scorer.judge) ? [] : [`judge ${scorer.judge} of scorers.${name}`];
  });
  if (missing.length === 0) return;
  const has =
    [...known.judges.map((name) => `judge ${name}`), ...known.custom].join(', ') || 'no judges and no custom scorers';
  throw new TerminalError(
    'failed_precondition',
    `the reward service does not have ${missing.join(', ')}; it has ${has}: start it with the recipe's judges and scorers in its config`,
  );
}
