import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RunEventSchema } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { snakeCase } from '#recipe/snake-shape.ts';
import { metricsLine } from '../directory/metrics-lines.ts';
import { foldEntry } from './fold.ts';
import { followLedger, ledgerEntries } from './read-ledger.ts';
import { newRunState } from './run-state.ts';
import type { RunState } from './run-state.ts';

export type RunEventInit = MessageInitShape<typeof RunEventSchema> & {
  readonly position: bigint;
  readonly text: string;
};

export interface EventsWanted {
  /** Position of the last event that is not wanted any more; 0 is from the beginning. */
  readonly after: number;
  /** Until the run ends. */
  readonly follow: boolean;
}

/** What happened to a run, as its ledger has it. Reads no recipe: a run that cannot be resumed any more is told all the same. */
export async function* runEvents(
  nats: Nats,
  runId: string,
  { after, follow }: EventsWanted,
  signal: AbortSignal,
): AsyncGenerator<RunEventInit, void, undefined> {
  let state = newRunState(runId);
  for await (const { entry, sequence, isRecent } of followLedger(nats, runId, signal)) {
    state = foldEntry(state, entry);
    const text = describeFact(entry, state);
    if (text !== undefined && sequence > after)
      yield {
        position: BigInt(sequence),
        atMs: entry.atMs,
        kind: snakeCase(entry.fact.case ?? ''),
        text,
        metricsJson: metricsLine(entry, state)?.trimEnd() ?? '',
      };
    if (isRecent && (!follow || (state.life !== 'running' && state.life !== 'queued'))) return;
  }
  // There was no entry: says so.
  await ledgerEntries(nats, runId, signal);
}

/** One line for people; undefined for what happens many times in a step. `after` is the state with the fact. */
export function describeFact({ fact }: Pick<LedgerEntry, 'fact'>, after: RunState): string | undefined {
  switch (fact.case) {
    case 'runStarted':
      return `started with seed ${fact.value.seed}, led by ${fact.value.holder}`;
    case 'runQueued':
      return `waits in the queue with priority ${after.priority}`;
    case 'runResumed': {
      const how = fact.value.takenOver ? 'taken over' : 'resumed';
      return `${how} at step ${fact.value.learnerStep}, led by ${fact.value.holder}`;
    }
    case 'stageEntered':
      return `stage ${fact.value.stage} begins`;
    case 'stepCommitted': {
      const { steps, name } = after.stages.at(-1) ?? { steps: [], name: '' };
      const scores = ['reward/mean', 'loss'].flatMap((metric) => {
        const value = fact.value.metrics[metric];
        return value === undefined ? [] : [`, ${metric} ${value.toFixed(4)}`];
      });
      return `step ${steps.length} of ${name}, version ${fact.value.version}${scores.join('')}`;
    }
    case 'evalFinished': {
      const means = Object.entries(fact.value.metrics).filter(([name]) =>
        /^(?:greedy|sampled)\.(?!n$)[^.=]+$/.test(name),
      );
      const scores = means.map(([name, value]) => `, ${name} ${value.toFixed(4)}`);
      return `evaluation ${fact.value.name} of ${fact.value.stage}${scores.join('')}`;
    }
    case 'gateDecided':
      return `gate of ${fact.value.stage} ${fact.value.passed ? 'passed' : `failed, ${fact.value.action}`}: ${fact.value.reason}`;
    case 'stageFinished':
      return `stage ${fact.value.stage} ends after ${fact.value.steps} steps: ${fact.value.reason}`;
    case 'runEnded':
      return `${fact.value.state.replaceAll('_', ' ')}${fact.value.message === '' ? '' : `: ${fact.value.message}`}`;
    case 'versionsMoved':
      return `versions go on ${fact.value.by} higher: the engines served another run before`;
    case 'stopRequested': {
      const why = fact.value.reason === '' ? '' : ` (${fact.value.reason})`;
      return `asked to stop ${fact.value.now ? 'now' : 'after the step'}${why}`;
    }
    case 'resultRefused':
      return `a result of ${fact.value.taskId.slice(0, 12)} is refused: ${fact.value.reason}`;
    case 'filesDamaged':
      return `damaged: ${fact.value.files.join(', ')}`;
    case 'artefactLeft':
      return `stage ${fact.value.stage} left ${fact.value.artefact}, ${fact.value.digest.slice(0, 12)}`;
    case 'groupOpened':
    case 'groupClosed':
    case 'stepFormed':
    case 'stageFact':
    case undefined:
      return undefined;
  }
}
