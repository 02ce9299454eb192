import type { AgentOptions } from './options.ts';

const at = 'environment.options';

/**
 * What an episode waits for within a turn: at its beginning for an agent and for what that asks first, at its end for rewards, where a session that
 * somebody else opened ends in a silence of `tool_timeout_ms`.
 */
export function agentWaits(options: AgentOptions, toolTimeoutMs: number): Readonly<Record<string, number>> {
  const { open, webhook, start_timeout_ms: start, reward_timeout_ms: reward } = options;
  const waits: Record<string, number> = {};
  if (open !== undefined) waits[`${at}.open.wait_ms and start_timeout_ms together`] = open.wait_ms + start;
  else if (webhook !== undefined) waits[`${at}.start_timeout_ms twice`] = 2 * start;
  else waits[`${at}.start_timeout_ms`] = start;
  if (reward === undefined) return waits;
  if (open === undefined) waits[`${at}.reward_timeout_ms`] = reward;
  else waits[`limits.tool_timeout_ms and ${at}.reward_timeout_ms together`] = toolTimeoutMs + reward;
  return waits;
}
