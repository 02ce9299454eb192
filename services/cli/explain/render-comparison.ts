import Table from 'cli-table3';
import { shortNumber } from '#shared/rewards/short-number.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { componentRows } from './component-rows.ts';
import type { ExplainedRollout } from './render-explanation.ts';

const detector = 'detector ';

/** Two rollouts of a group side by side: where the difference of their rewards comes from. */
export function renderComparison(a: ExplainedRollout, b: ExplainedRollout, colours: Terminal['colours']): string {
  const [left, right] = [linesOf(a), linesOf(b)];
  const table = new Table({
    head: ['', a.result.taskId.slice(0, 16), b.result.taskId.slice(0, 16), 'difference'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'right', 'right'],
  });
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    const [one, other] = [left.get(name), right.get(name)];
    if (name.startsWith(detector) && one === 0 && other === 0) continue;
    const difference = (one ?? NaN) - (other ?? NaN);
    const cells = [
      name,
      shortNumber(one ?? NaN),
      shortNumber(other ?? NaN),
      Number.isNaN(difference) ? '' : shortNumber(difference),
    ];
    table.push(difference === 0 ? cells.map(colours.dim) : cells);
  }
  return [
    `group ${a.result.groupId} of run ${a.result.runId}; components as they were recorded, unweighted`,
    ...[a, b].map(
      ({ result }) =>
        `${result.taskId.slice(0, 16)}: ${result.prediction === undefined ? 'no prediction' : JSON.stringify(result.prediction)}`,
    ),
    table.toString(),
  ].join('\n');
}

/** What a rollout got, by name, from its components to its advantage. */
function linesOf({ result, scored, group }: ExplainedRollout): Map<string, number> {
  const lines = new Map<string, number>();
  const add = (name: string, value: number | undefined): void => {
    if (value !== undefined) lines.set(name, value);
  };
  if (scored !== undefined) {
    const { recorded, explained } = scored;
    for (const { name, weight, recorded: value } of componentRows(recorded.score, explained))
      add(weight > 0 ? `${name} x ${weight}` : name, value);
    for (const { name } of explained.detectors) add(`${detector}${name}`, recorded.score.detectors[name] ?? 0);
  }
  const own = group?.closed?.own;
  for (const [name, value] of Object.entries(own?.components ?? {})) add(`${name}, in the group`, value);
  add('composed', own === undefined ? result.reward : own.composed);
  add('overlong shaping', own?.shaping?.penalty);
  add('final reward', own?.reward);
  const member = group?.closed?.members.find(({ taskId }) => taskId === result.taskId);
  add('rank', member?.rank);
  if (member?.reward !== undefined) add('advantage', member.advantage);
  return lines;
}
