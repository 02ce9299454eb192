import { shortNumber } from '#rewards/describe-step.ts';
import type { Colours } from '../terminal/colours.ts';
import { shortId, tableLines } from '../terminal/format.ts';
import { componentRows } from './component-rows.ts';
import { composeRecorded } from '#run/rollouts/recorded-reward.ts';
import type { ExplainedRollout } from './render-explanation.ts';

const detector = 'detector ';

/** Two rollouts of a group side by side: where the difference of their rewards comes from. */
export function renderComparison(a: ExplainedRollout, b: ExplainedRollout, colours: Colours): string[] {
  const [left, right] = [linesOf(a), linesOf(b)];
  const rows: string[][] = [];
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    const [one, other] = [left.get(name), right.get(name)];
    if (name.startsWith(detector) && one === 0 && other === 0) continue;
    const difference = one === undefined || other === undefined ? undefined : one - other;
    const cells = [name, shortNumber(one), shortNumber(other), difference === undefined ? '' : shortNumber(difference)];
    rows.push(difference === 0 ? cells.map(colours.dim) : cells);
  }
  return [
    `group ${shortId(a.result.groupId)} of run ${a.result.runId}; components as they were recorded, unweighted`,
    ...[a, b].map(
      ({ result }) =>
        `${shortId(result.taskId)}: ${result.prediction === undefined ? 'no prediction' : JSON.stringify(result.prediction)}`,
    ),
    ...tableLines(rows, {
      head: ['', shortId(a.result.taskId), shortId(b.result.taskId), 'difference'],
      compact: true,
      align: ['left', 'right', 'right', 'right'],
    }),
  ];
}

/** What a rollout got, by name, from its components to its advantage. */
function linesOf({ result, scored, group }: ExplainedRollout): Map<string, number> {
  const lines = new Map<string, number>();
  const add = (name: string, value: number | undefined): void => {
    if (value !== undefined) lines.set(name, value);
  };
  const own = group?.closed?.own;
  if (scored !== undefined) {
    const { recorded, explained, composition } = scored;
    for (const { name, weight, recorded: value } of componentRows(
      recorded.score,
      explained,
      composition,
      own?.components ?? {},
    ))
      add(weight > 0 ? `${name} x ${weight}` : name, value);
    for (const { name } of explained.detectors) add(`${detector}${name}`, recorded.score.detectors[name] ?? 0);
    const { steps, total } = composeRecorded(composition, result, own?.components);
    for (const step of steps) if (step.kind === 'overlong') add('overlong', step.penalty);
    add('reward', own?.counted === true ? own.reward : total);
  }
  const member = group?.closed?.members.find(({ taskId }) => taskId === result.taskId);
  add('rank', member?.rank);
  if (member?.reward !== undefined) add('advantage', member.advantage);
  return lines;
}
