import { startUserProcess, type UserProcess, type UserProcessOptions } from '#user-code/user-process.ts';
import type { CustomAbsence } from './custom-absence.ts';
import { z } from 'zod';

export type ScorerProcess = UserProcess<ScorerReply>;
export type StartedProcess = ScorerProcess | CustomAbsence;

/** Starts a process and waits until it has loaded its scorer; it is killed when `signal` aborts before that. */
export async function startScorerProcess(
  options: Omit<UserProcessOptions<ScorerReply>, 'reply' | 'awaited' | 'maxReplyBytes'>,
  signal: AbortSignal,
): Promise<StartedProcess> {
  return await startUserProcess({ ...options, reply: scorerReply, awaited: 'score', maxReplyBytes }, signal);
}

/** Replies of a scorer's process to {id, episode?, settings} (typescript-host.ts) or {id, call} (python_host.py). */
export const scorerReply = z.union([
  z.object({ id: z.int(), score: z.number() }),
  /** The settings are sound; asked for without an episode. */
  z.object({ id: z.int(), checked: z.literal(true) }),
  /** NaN or an infinity, which JSON does not have. */
  z.object({ id: z.int(), notFinite: z.string() }),
  z.object({ id: z.int(), noNumber: z.string() }),
  /** Text and trace of an exception. */
  z.object({ id: z.int(), threw: z.string() }),
  z.object({ id: z.int(), badSettings: z.string() }),
]);
export type ScorerReply = z.output<typeof scorerReply>;

/** A reply has a number or some kilobytes of trace. */
export const maxReplyBytes = 1 << 18;
