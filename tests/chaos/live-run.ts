import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { sleep } from '#shared/async/sleep.ts';
import { connectNats } from '#shared/nats/connect.ts';
import type { Nats } from '#shared/nats/connect.ts';
import { decodeMessage, tailStream } from '#shared/nats/messages.ts';
import { streams, subjects } from '#shared/nats/streams.ts';
import { createLogger } from '#shared/telemetry/logging.ts';
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
  /** Rollouts that were opened and have no result yet. */
  open(): readonly string[];
  isAnswered(taskId: string): boolean;
  /** Resolves once NATS has stored a message of ours. */
  confirmPublish(): Promise<unknown>;
  /** Resolves at the moment, or when the run ends before it: then false. */
  until(moment: Moment, expected: number, signal: AbortSignal): Promise<boolean>;
}

const pollMs = 10;
/** A stream beside those of the run, on disk as they are. */
const probeStream = 'CHAOS';
const probeSubject = 'chaos.probe';

export async function watchLiveRun(url: string, runId: string, signal: AbortSignal): Promise<LiveRun> {
  const log = createLogger({ service: 'chaos', level: 'silent' });
  const nats = await connectNats({ url, name: 'chaos', log, signal });
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
        phase = 'end';
        return;
      default:
        return;
    }
  }

  const followLedger = async (): Promise<void> => {
    for await (const { data } of tailStream(nats, streams.ledger, subjects.ledger(runId), { signal: ended }))
      take(decodeMessage(LedgerEntrySchema, data));
  };
  const followResults = async (): Promise<void> => {
    for await (const { data } of tailStream(nats, streams.results, subjects.result(runId), { signal: ended }))
      answered.add(decodeMessage(RolloutResultSchema, data).taskId);
  };
  const following = Promise.allSettled([followLedger(), followResults()]);

  return {
    nats,
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
    open: () => [...opened].filter((taskId) => !answered.has(taskId)),
    isAnswered: (taskId) => answered.has(taskId),
    confirmPublish: () => nats.js.publish(probeSubject, '', { timeout: 1_000 }),
    async until(moment, expected, waiting) {
      const reached = (): boolean =>
        moment.kind === 'batch' ? formed >= moment.step : answered.size >= moment.share * expected;
      while (!reached()) {
        if (phase === 'end') return false;
        await sleep(pollMs, waiting);
      }
      return true;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await following;
      await nats.close();
    },
  };
}
