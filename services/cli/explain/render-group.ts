import { GroupFate, type GroupJudged } from '#proto/coordinator/v1/ledger_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { meanOf, standardDeviation, type AdvantageMethod } from '#rewards/advantages.ts';
import { shortNumber } from '#rewards/describe-step.ts';
import type { Colours } from '../terminal/colours.ts';
import { shortId, tableLines } from '../terminal/format.ts';
import type { ClosedGroup, GroupStory, Member, MemberRole } from '#run/group-story.ts';

/** What became of the rollout in its group: its rank, its advantage, and the step that trained on it. */
export function renderGroup({ opened, closed }: GroupStory, result: RolloutResult, colours: Colours): string[] {
  const heading = colours.bold(`group ${shortId(opened.groupId)}`);
  if (closed === undefined) return [`${heading} of ${opened.taskIds.length} is still open`];
  const fate = fateWord(closed.fate);
  if (opened.purpose === Purpose.EVAL)
    return [`${heading}: ${fate}${opened.evaluation === '' ? '' : ` (${opened.evaluation})`}`];
  return [
    `${heading}, step ${opened.step + 1} of ${opened.stage}: ${fate}`,
    ...Object.entries(closed.judged).map(([name, judged]) => judgedLine(name, judged)),
    ...(closed.own?.counted === false ? [colours.red('the group counted another result of this rollout')] : []),
    ...memberTable(closed.members, result.taskId, colours),
    `mean ${shortNumber(closed.mean)}, standard deviation ${shortNumber(closed.deviation)}`,
    ...advantageLine(closed, result),
    ...stepLine(closed),
  ];
}

function judgedLine(name: string, judged: GroupJudged): string {
  const { planned, judged: done, byRule, missing, judgements, cached, positionBias, inconsistency } = judged;
  const absences = Object.entries(judged.absences).map(([reason, count]) => `${reason} ${count}`);
  return [
    `${name}: ${done} of ${planned} comparisons judged, ${byRule} by rule, ${missing} missing`,
    ...(absences.length === 0 ? [] : [`(${absences.join(', ')})`]),
    `in ${judgements} judgements, ${cached} of them from the cache;`,
    `position bias ${shortNumber(positionBias)}, inconsistency ${shortNumber(inconsistency)}`,
  ].join(' ');
}

function memberTable(members: readonly Member[], taskId: string, colours: Colours): string[] {
  const rows = members.map((member) => {
    const cells = [
      member.rank === undefined ? '' : `${member.rank}`,
      `${shortId(member.taskId)}${member.taskId === taskId ? ' <-' : ''}`,
      `${member.sampleIndex}`,
      member.reward === undefined ? (member.cancelled ? 'given up' : 'absent') : shortNumber(member.reward),
      // Roles have their own.
      member.reward === undefined || member.roles.length > 0 ? '' : shortNumber(member.advantage),
    ];
    return member.taskId === taskId ? cells.map(colours.bold) : cells;
  });
  return tableLines(rows, {
    head: ['rank', 'rollout', 'sample', 'reward', 'advantage'],
    compact: true,
    align: ['right', 'left', 'right', 'right', 'right'],
  });
}

function advantageLine({ fate, members, method }: ClosedGroup, { taskId }: RolloutResult): string[] {
  const own = members.find((member) => member.taskId === taskId);
  if (own?.reward === undefined) return ['no reward, so no advantage: it is left out of mean and deviation'];
  if (fate !== GroupFate.KEPT && fate !== GroupFate.SHRUNK) return ['advantage 0: the group trains nothing'];
  if (own.roles.length > 0) return own.roles.map((part) => roleLine(part, members, method));
  return method === undefined ? [] : [`advantage ${shortNumber(own.advantage)} (${method}: ${formulas[method]})`];
}

/** The group of a role are the samples in which it has spoken. */
function roleLine(
  { role, reward, advantage, trained }: MemberRole,
  members: readonly Member[],
  method?: AdvantageMethod,
) {
  const rewards = members.flatMap(({ roles }) => roles.flatMap((part) => (part.role === role ? [part.reward] : [])));
  const numbers = `mean ${shortNumber(meanOf(rewards))}, standard deviation ${shortNumber(standardDeviation(rewards))} of ${rewards.length}`;
  const learnt =
    trained && method !== undefined
      ? `advantage ${shortNumber(advantage)} (${method}: ${formulas[method]})`
      : 'not trained on: the stage does not train it, or its rewards do not vary';
  return `${role === '' ? 'first conversation' : `role ${role}`}: reward ${shortNumber(reward)}; ${numbers}; ${learnt}`;
}

const formulas: Readonly<Record<AdvantageMethod, string>> = {
  grpo: '(reward - mean) / (deviation + 1e-6)',
  grpo_no_std: 'reward - mean',
  rloo: 'reward - mean of the others',
  gae: 'the reward; the learner takes the values of its critic off it, token by token',
};

function stepLine({ step, version }: ClosedGroup): string[] {
  if (step === undefined) return ['no batch holds it'];
  return [
    `trained on in step ${step}${version === undefined ? ', not committed yet' : `, which made version ${version}`}`,
  ];
}

function fateWord(fate: GroupFate): string {
  switch (fate) {
    case GroupFate.KEPT:
      return 'kept';
    case GroupFate.NO_VARIANCE:
      return 'set aside, its rewards do not vary';
    case GroupFate.SHRUNK:
      return 'kept without the samples that are absent';
    case GroupFate.DROPPED:
      return 'dropped, too few samples';
    case GroupFate.EVALUATED:
      return 'counted for an evaluation';
    case GroupFate.SURPLUS:
      return 'not needed any more';
    default:
      return `fate ${fate}`;
  }
}
