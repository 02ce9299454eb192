/** Tasks that were given up, on DEAD_LETTERS: read them, ask again, drop them. */
import type { NextMsgRequest, StoredMsg } from '@nats-io/jetstream';

import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError, TransientError, throwIfCancelled } from '../errors.ts';
import type { Nats } from './connect.ts';
import { errorFromNats, isMissingResource } from './nats-errors.ts';
import { publishBytes } from './publish.ts';
import { decodeQueued } from './queued-tasks.ts';
import { streams, subjects } from './streams.ts';

/** Header of a task that is asked again by hand: part of the id of its result, so that the earlier one does not hide it. */
export const retryHeader = 'Gradus-Retry';

export interface DeadLetter {
  /** Position in the stream: names a letter also when its task does not decode. */
  readonly number: number;
  readonly runId: string;
  /** Undefined when the payload is not a task. */
  readonly task: RolloutTask | undefined;
  readonly data: Uint8Array;
  readonly reason: string;
  readonly redeliveries: number;
  /** Subject that it was taken from. */
  readonly subject: string;
  readonly diedAt: Date;
}

/** Letters that are there now, oldest first; of all runs when `runId` is undefined. One at a time, whatever their number. */
export async function* readDeadLetters(
  nats: Nats,
  runId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<DeadLetter, void, void> {
  const next_by_subj = runId === undefined ? subjects.anyDeadLetter : subjects.deadLetter(runId);
  for (let seq = 1; ;) {
    throwIfCancelled(signal);
    const message = await next(nats, { seq, next_by_subj });
    if (message === null) return;
    yield letterOf(message);
    seq = message.seq + 1;
  }
}

/** Puts the task back on its queue, then removes the letter. A task that is asked twice counts once all the same. */
export async function retryDeadLetter(nats: Nats, letter: DeadLetter, signal: AbortSignal): Promise<void> {
  if (!/^gradus\.tasks\.[^.]+\.(train|eval)$/.test(letter.subject)) {
    throw new TerminalError(
      'failed_precondition',
      `dead letter ${letter.number} came from '${letter.subject}', which is not a task subject; it can only be dropped`,
    );
  }
  const messageId = `dlq:${letter.number}:${letter.diedAt.getTime()}`;
  const headers = { [retryHeader]: String(letter.number) };
  await publishBytes(nats, letter.subject, letter.data, { messageId, headers, signal }, 'a task');
  await dropDeadLetter(nats, letter);
}

export async function dropDeadLetter(nats: Nats, letter: DeadLetter): Promise<void> {
  try {
    await nats.jsm.streams.deleteMessage(streams.deadLetters, letter.number);
  } catch (thrown) {
    throw errorFromNats(thrown, `removing dead letter ${letter.number}`);
  }
}

async function next(nats: Nats, query: NextMsgRequest): Promise<StoredMsg | null> {
  try {
    return await nats.jsm.direct.getMessage(streams.deadLetters, query);
  } catch (thrown) {
    const error = errorFromNats(thrown, `reading ${streams.deadLetters}`);
    // A store that no coordinator or worker has been started with has no streams, and a direct read no answer.
    if (error instanceof TransientError && !(await exists(nats))) return null;
    throw error;
  }
}

async function exists(nats: Nats): Promise<boolean> {
  try {
    await nats.jsm.streams.info(streams.deadLetters);
    return true;
  } catch (thrown) {
    if (isMissingResource(thrown)) return false;
    throw errorFromNats(thrown, `reading ${streams.deadLetters}`);
  }
}

function letterOf({ seq, subject, data, header, time }: StoredMsg): DeadLetter {
  return {
    number: seq,
    runId: subject.split('.')[2] ?? '',
    task: decodeQueued(data),
    data,
    reason: header.get('Gradus-Reason'),
    redeliveries: Number(header.get('Gradus-Redeliveries')),
    subject: header.get('Gradus-Subject'),
    diedAt: time,
  };
}
