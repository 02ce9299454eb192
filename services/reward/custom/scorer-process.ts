import { startUserProcess, type UserProcess, type UserProcessOptions } from '#user-code/user-process.ts';
import type { CustomAbsence } from './custom-absence.ts';
import { maxReplyBytes, scorerReply, type ScorerReply } from './scorer-reply.ts';

export type ScorerProcess = UserProcess<ScorerReply>;
export type StartedProcess = ScorerProcess | CustomAbsence;

/** Starts a process and waits until it has loaded its scorer; it is killed when `signal` aborts before that. */
export async function startScorerProcess(
  options: Omit<UserProcessOptions<ScorerReply>, 'reply' | 'awaited' | 'maxReplyBytes'>,
  signal: AbortSignal,
): Promise<StartedProcess> {
  return await startUserProcess({ ...options, reply: scorerReply, awaited: 'score', maxReplyBytes }, signal);
}
