import type { GroupClosed, LedgerEntry, SampleOutcome } from '#proto/coordinator/v1/ledger_pb.ts';

/** What is compared less strictly. */
export interface Leeway {
  /** Stages in which rollouts and training overlap: how is a matter of time. */
  readonly asynchronous: ReadonlySet<string>;
}

const strict: Leeway = { asynchronous: new Set() };

/**
 * What a ledger says about who was asked what, what came back, what it counted for and what was trained on: one line of
 * stable JSON per fact. Left out is what may differ between two runs of one recipe and seed: times, workers, positions in
 * streams, directories, resumes, and the order in which groups happened to close. A group's close stands next to its opening.
 * Of an asynchronous stage the order of facts and the metrics of steps are left out, too: groups, rewards, advantages and batches stay.
 */
export function accountingRecords(
  entries: readonly LedgerEntry[],
  { asynchronous }: Leeway = strict,
): readonly string[] {
  let stage = '';
  const closes = new Map<string, GroupClosed>();
  for (const { fact } of entries) {
    if (fact.case === 'groupClosed' && !closes.has(fact.value.groupId)) closes.set(fact.value.groupId, fact.value);
  }
  const records = entries.flatMap((entry) => {
    if (entry.fact.case === 'stageEntered') stage = entry.fact.value.stage;
    const isAsynchronous = asynchronous.has(stage);
    const record = recordOf(entry, closes, isAsynchronous);
    return record === undefined ? [] : [{ line: JSON.stringify(record), of: isAsynchronous ? stage : '' }];
  });
  return chunked(records).flatMap(({ of, lines }) => (of === '' ? lines : lines.toSorted()));
}

/** Neighbours of one stage together. */
function chunked(records: readonly { line: string; of: string }[]): readonly { of: string; lines: string[] }[] {
  const chunks: { of: string; lines: string[] }[] = [];
  for (const { line, of } of records) {
    const last = chunks.at(-1);
    if (last?.of === of) last.lines.push(line);
    else chunks.push({ of, lines: [line] });
  }
  return chunks;
}

/** The first difference of two accountings, in words; undefined when they are equal. */
export function firstDifference(undisturbed: readonly string[], faulty: readonly string[]): string | undefined {
  const length = Math.max(undisturbed.length, faulty.length);
  for (let index = 0; index < length; index += 1) {
    const [left, right] = [undisturbed[index], faulty[index]];
    if (left === right) continue;
    return `record ${index + 1} of ${undisturbed.length} differs:\n  without faults: ${left ?? 'nothing'}\n  with faults:    ${right ?? 'nothing'}`;
  }
  return undefined;
}

function recordOf({ fact }: LedgerEntry, closes: ReadonlyMap<string, GroupClosed>, isAsynchronous: boolean): unknown {
  switch (fact.case) {
    case 'runStarted':
      return { fact: fact.case, recipe: fact.value.recipeHash, seed: String(fact.value.seed) };
    case 'stageEntered':
      return { fact: fact.case, stage: fact.value.stage, index: fact.value.stageIndex };
    case 'groupOpened': {
      const { groupId, stage, step, purpose, questionId, taskIds, evaluation } = fact.value;
      const closed = closes.get(groupId);
      return {
        fact: 'group',
        groupId,
        stage,
        step,
        purpose,
        questionId,
        taskIds,
        evaluation,
        fate: closed?.fate ?? 'open',
        samples: closed?.samples.map((sample) => outcome(sample)) ?? [],
      };
    }
    case 'stepFormed':
      return {
        fact: fact.case,
        step: Number(fact.value.step),
        stage: fact.value.stage,
        stageStep: fact.value.stageStep,
        batch: fact.value.samples.map((sample) => outcome(sample)),
      };
    case 'stepCommitted':
      return {
        fact: fact.case,
        step: Number(fact.value.step),
        version: Number(fact.value.version),
        checkpoint: fact.value.checkpointPath !== '',
        metrics: isAsynchronous ? {} : timeless(fact.value.metrics),
      };
    case 'evalFinished':
      return {
        fact: fact.case,
        stage: fact.value.stage,
        name: fact.value.name,
        metrics: timeless(fact.value.metrics),
      };
    case 'gateDecided':
      return { fact: fact.case, stage: fact.value.stage, passed: fact.value.passed, action: fact.value.action };
    case 'stageFinished':
      return { fact: fact.case, stage: fact.value.stage, steps: fact.value.steps, reason: fact.value.reason };
    case 'runEnded':
      // A stop is followed by a resume; how it ended for good is its last end.
      if (fact.value.state === 'stopped') return undefined;
      return { fact: fact.case, state: fact.value.state };
    default:
      // Closes stand with their groups; resumes and other facts about processes are no accounting.
      return undefined;
  }
}

function outcome(sample: SampleOutcome): unknown {
  return {
    taskId: sample.taskId,
    reward: sample.reward ?? 'absent',
    advantage: sample.advantage,
    truncated: sample.truncated,
  };
}

/** A mean over the time that a step took. */
const ofTime = new Set(['rollouts/in_flight']);

/** Metrics that are a function of what was rolled out and trained on. */
function timeless(metrics: Readonly<Record<string, number>>): unknown {
  return Object.fromEntries(
    Object.entries(metrics)
      .filter(([name]) => !ofTime.has(name) && !/(^|[/_.])(time|seconds)([/_.]|$)/.test(name))
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}
