import {
  Aggregation,
  Compared,
  PartialPolicy,
  Schedule,
  type GroupSample,
  type Pairwise,
  type ScoreGroupRequest,
} from '#proto/reward/v1/group_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { Judge } from '../judge/judge.ts';
import { defaultCriterion } from '../judge/questions/compare-pair.ts';
import { predictionOf } from '../score-item.ts';
import type { GroupTask, PairwiseSettings } from './group-task.ts';
import type { ScheduleSettings } from './pair-schedule.ts';

const maxSamples = 64;
const maxPasses = 16;
const defaultPasses = 3;
const maxCriterionCharacters = 8_192;

/** Throws INVALID_ARGUMENT naming group, field, value and fix. */
export function parseGroup(request: ScoreGroupRequest, judge: Judge): GroupTask {
  const where = groupLabel(request);
  const { question, answers, samples, criterion, deadlineMs } = request;
  const { groupTimeoutMs, maxInputCharacters } = judge.settings;
  if (question.trim() === '') throw invalid(`${where}question: empty; the judge needs to know what was asked`);
  if (samples.length < 2 || samples.length > maxSamples) {
    throw invalid(`${where}samples: found ${samples.length}; give 2 to ${maxSamples}`);
  }
  checkIds(where, samples);
  if (criterion.length > maxCriterionCharacters) {
    throw invalid(`${where}criterion: ${criterion.length} characters; at most ${maxCriterionCharacters}`);
  }
  checkKnown(`${where}compared`, request.compared, Compared);
  checkKnown(`${where}partial`, request.partial, PartialPolicy);
  if (deadlineMs > groupTimeoutMs) {
    throw invalid(
      `${where}deadline_ms: ${deadlineMs}; judge '${judge.name}' allows ${groupTimeoutMs} (judges.${judge.name}.groupTimeoutMs)`,
    );
  }
  return {
    question,
    references: answers,
    criterion: criterion.trim() === '' ? defaultCriterion : criterion,
    texts: samples.map((sample) => textOf(sample, request.compared)),
    method: methodOf(where, request),
    pointwiseFirst: pointwiseOf(where, request),
    partial: request.partial === PartialPolicy.AGGREGATE ? 'aggregate' : 'absent',
    deadlineMs: deadlineMs === 0 ? groupTimeoutMs : deadlineMs,
    seed: String(request.seed),
    maxCharacters: maxInputCharacters,
  };
}

export function groupLabel({ id }: ScoreGroupRequest): string {
  return id === '' ? '' : `group ${JSON.stringify(id)}: `;
}

function checkKnown(field: string, value: number, known: Readonly<Record<string, number>>): void {
  if (!Object.values(known).includes(value)) throw unknownValue(field, value, known);
}

/** Enums are open on the wire: a newer caller may ask for what is not here. */
function unknownValue(field: string, value: number, known: Readonly<Record<string, number>>): TerminalError {
  return invalid(`${field}: unknown value ${value}; known: ${Object.values(known).join(', ')}`);
}

function checkIds(where: string, samples: readonly GroupSample[]): void {
  const seen = new Set<string>();
  samples.forEach(({ id }, index) => {
    if (id === '') throw invalid(`${where}samples[${index}].id: empty; give each sample a name`);
    if (seen.has(id)) throw invalid(`${where}samples[${index}].id: ${JSON.stringify(id)} is there twice`);
    seen.add(id);
  });
}

function textOf({ turns }: GroupSample, compared: Compared): string | undefined {
  const text =
    compared === Compared.TRANSCRIPT ? turns.map((turn) => turn.text).join('\n-----\n') : (predictionOf(turns) ?? '');
  return text.trim() === '' ? undefined : text;
}

function methodOf(where: string, { method, samples }: ScoreGroupRequest): GroupTask['method'] {
  switch (method.case) {
    case 'pairwise':
      return pairwiseOf(`${where}pairwise.`, method.value, samples.length);
    case 'listwise': {
      const { passes } = method.value;
      if (passes > maxPasses) throw invalid(`${where}listwise.passes: ${passes}; at most ${maxPasses}`);
      return { kind: 'listwise', passes: passes === 0 ? defaultPasses : passes };
    }
    case undefined:
      throw invalid(`${where}method: missing; give pairwise or listwise`);
  }
}

function pairwiseOf(where: string, pairwise: Pairwise, count: number): PairwiseSettings {
  checkKnown(`${where}aggregation`, pairwise.aggregation, Aggregation);
  return {
    kind: 'pairwise',
    schedule: scheduleOf(where, pairwise, count),
    bothOrders: !pairwise.oneOrder,
    allowTies: !pairwise.forbidTies,
    aggregation: pairwise.aggregation === Aggregation.WIN_RATE ? 'win_rate' : 'bradley_terry',
  };
}

function scheduleOf(where: string, { schedule, rounds, pairs }: Pairwise, count: number): ScheduleSettings {
  const all = (count * (count - 1)) / 2;
  if (rounds > count - 1) throw invalid(`${where}rounds: ${rounds} for ${count} samples; at most ${count - 1}`);
  switch (schedule) {
    case Schedule.UNSPECIFIED:
    case Schedule.ALL_PAIRS:
      return { kind: 'all_pairs' };
    case Schedule.CIRCULAR:
      return { kind: 'circular', rounds: rounds === 0 ? 1 : rounds };
    case Schedule.SWISS:
      return { kind: 'swiss', rounds: rounds === 0 ? Math.ceil(Math.log2(count)) : rounds };
    case Schedule.BUDGET:
      if (pairs < 1 || pairs > all) {
        throw invalid(`${where}pairs: ${pairs} for ${count} samples; give 1 to ${all}`);
      }
      return { kind: 'budget', pairs };
  }
  throw unknownValue(`${where}schedule`, schedule, Schedule);
}

function pointwiseOf(where: string, { pointwiseFirst, samples }: ScoreGroupRequest): GroupTask['pointwiseFirst'] {
  if (pointwiseFirst === undefined) return undefined;
  const { tolerance, topOnly } = pointwiseFirst;
  if (!Number.isFinite(tolerance) || tolerance < 0) {
    throw invalid(`${where}pointwise_first.tolerance: ${tolerance}; expected a finite number >= 0`);
  }
  const values = samples.map(({ pointwise }, index) => {
    if (pointwise === undefined || !Number.isFinite(pointwise)) {
      throw invalid(
        `${where}samples[${index}].pointwise: ${pointwise ?? 'missing'}; pointwise_first needs a finite number for every sample`,
      );
    }
    return pointwise;
  });
  return { values, tolerance, topOnly };
}

function invalid(message: string): TerminalError {
  return new TerminalError('invalid_argument', message);
}
