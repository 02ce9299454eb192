import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { connectNats } from '#platform/nats/connect.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { decodeMessage, tailStream } from '#platform/nats/messages.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import type { Moment } from './fault-plan.ts';

export type Phase = 'start' | 'evaluation' | 'rollouts' | 'training' | 'end';

/** A run as it is seen from its streams while it goes on; faults of NATS included. */
export interface LiveRun extends AsyncDisposable {
  readonly nats: Nats;
  /** Rollouts with a result. */
  readonly answered: number;
  readonly phase: Phase;
  readonly steps: number;
  /** Facts of the ledger that were seen. */
  readonly facts: number;
  /** Facts and answered rollouts that were seen. */
  readonly progress: number;
  /** Rollouts that were opened and have no result yet. */
  open(): readonly string[];
  isAnswered(taskId: string): boolean;
  /** Resolves once NATS has stored a message of ours. */
  confirmPublish(): Promise<unknown>;
  /** Resolves at the moment, or when the run ends before it: then false. */
  until(moment: Moment, expected: number, signal: AbortSignal): Promise<boolean>;
}

const pollMs = 10;
/** A stream next to those of the run, on disk as they are. */
const probeStream = 'CHAOS';
const probeSubject = 'chaos.probe';

const followMs = 500;

/** `urlNow`: where NATS is. It may come back elsewhere after another process has taken its port. */
export async function watchLiveRun(
  urlNow: () => Promise<string>,
  runId: string,
  signal: AbortSignal,
): Promise<LiveRun> {
  const log = createLogger({ service: 'chaos', level: 'silent' });
  const connect = (to: string): Promise<Nats> => connectNats({ url: to, name: 'chaos', log, signal });
  let url = await urlNow();
  let nats = await connect(url);
  await nats.jsm.streams.add({ name: probeStream, subjects: [probeSubject], max_msgs: 1 });
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const answered = new Set<string>();
  const opened = new Set<string>();
  let phase: Phase = 'start';
  let steps = 0;
  let formed = 0;
  let facts = 0;

  function take({ fact }: LedgerEntry): void {
    facts += 1;
    switch (fact.case) {
      case 'groupOpened':
        phase = fact.value.purpose === Purpose.EVAL ? 'evaluation' : 'rollouts';
        for (const taskId of fact.value.taskIds) opened.add(taskId);
        return;
      case 'stepFormed':
        phase = 'training';
        formed = Number(fact.value.step);
        return;
      case 'stepCommitted':
        phase = 'rollouts';
        steps = Number(fact.value.step);
        return;
      case 'runEnded':
        // A stop is followed by a resume.
        if (fact.value.state !== 'stopped') phase = 'end';
        return;
      default:
        return;
    }
  }

  /** Goes on after the last message whatever ends a tail: a server without room for its consumer, too. */
  const follow = async (stream: string, subject: string, receive: (data: Uint8Array) => void): Promise<void> => {
    let startSequence = 1;
    while (!ended.aborted) {
      try {
        for await (const { data, sequence } of tailStream(nats, stream, subject, { signal: ended, startSequence })) {
          receive(data);
          startSequence = sequence + 1;
        }
      } catch {
        await sleep(200, ended).catch(() => undefined);
      }
    }
  };
  const followServer = async (): Promise<void> => {
    while (!ended.aborted) {
      await sleep(followMs, ended).catch(() => undefined);
      const now = await urlNow().catch(() => url);
      if (ended.aborted || now === url) continue;
      const moved = await connect(now).catch(() => undefined);
      if (moved === undefined) continue;
      const left = nats;
      [url, nats] = [now, moved];
      await left.close();
    }
  };
  const following = Promise.all([
    followServer(),
    follow(streams.ledger, subjects.ledger(runId), (data) => take(decodeMessage(LedgerEntrySchema, data))),
    follow(streams.results, subjects.result(runId), (data) => {
      answered.add(decodeMessage(RolloutResultSchema, data).taskId);
    }),
  ]);

  return {
    get nats() {
      return nats;
    },
    get answered() {
      return answered.size;
    },
    get phase() {
      return phase;
    },
    get steps() {
      return steps;
    },
    get facts() {
      return facts;
    },
    get progress() {
      return facts + answered.size;
    },
    open: () => [...opened].filter((taskId) => !answered.has(taskId)),
    isAnswered: (taskId) => answered.has(taskId),
    confirmPublish: () => nats.js.publish(probeSubject, '', { timeout: 1_000 }),
    async until(moment, expected, waiting) {
      const reached = (): boolean => {
        switch (moment.kind) {
          case 'answered':
            return answered.size >= moment.share * expected;
          case 'batch':
            return formed >= moment.step;
          case 'clock':
            return true;
        }
      };
      for (;;) {
        if (phase === 'end') return false;
        if (reached()) return true;
        await sleep(pollMs, waiting);
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await following;
      await nats.close();
    },
  };
}
