import { resolve } from 'node:path';
import { exitCodes } from '../exit-codes.ts';
import { keepListedRollouts } from '../rollouts/listed-rollouts.ts';
import { readSelected, type ReadRollout } from '../rollouts/read-selected.ts';
import { rolloutJson } from '../rollouts/rollout-json.ts';
import { selectedBy, type SelectionOptions } from '../rollouts/selection-options.ts';
import { formatDuration, shortId, tableLines } from '../terminal/format.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { withStreams } from '../transcript/with-streams.ts';
import { failureWord } from '#trajectory/enum-words.ts';
import { readRowFacts } from '#questions/row-facts.ts';
import { jsonLine } from '../terminal/json-line.ts';

export interface RolloutListOptions extends SelectionOptions {
  readonly json: boolean;
}

/** Shown of a question and of an answer. */
const shownCharacters = 48;

/** Rollouts of one run or of all as a table, or a JSON object a line. Works with and without a running fleet. */
export async function rolloutListCommand(options: RolloutListOptions, terminal: Terminal): Promise<number> {
  const home = resolve(options.home);
  const signal = AbortSignal.timeout(600_000);
  const note = (line: string): void => terminal.err(line);
  await withStreams(home, { command: 'gradus rollout list', note }, signal, async (nats) => {
    const rows: string[][] = [];
    const listed: string[] = [];
    for await (const rollout of readSelected(nats, selectedBy(options), note, signal)) {
      listed.push(shortId(rollout.result.taskId));
      if (options.json) terminal.out(jsonLine(rolloutJson(rollout)));
      else rows.push(rowOf(rollout));
    }
    if (!options.json) terminal.out(listed.length > 0 ? tableOf(rows) : 'no rollout is like that');
    if (!options.json && rows.length === options.limit) note(`these are ${rows.length}; --limit 0 lists all of them`);
    if (listed.length > 0) await keepListedRollouts(home, listed);
  });
  return exitCodes.ok;
}

function tableOf(rows: readonly string[][]): string[] {
  // One run is named on the command line, or by every row alike.
  const from = new Set(rows.map(([run]) => run)).size > 1 ? 0 : 1;
  const head = heads.slice(from);
  const align = head.map((name) => (numbers.includes(name) ? ('right' as const) : ('left' as const)));
  const cells = rows.map((row) => row.slice(from));
  return tableLines(cells, { head, align, compact: true });
}

const heads = ['run', 'rollout', 'stage', 'step', 'for', 'reward', 'turns', 'tokens', 'time', 'question', 'ended with'];
const numbers: readonly string[] = ['step', 'reward', 'turns', 'tokens', 'time'];

function rowOf({ result, counted, recorded }: ReadRollout): string[] {
  const { reward, group } = counted;
  const row = recorded?.task.row;
  const ended = result.failure === 0 ? (result.prediction ?? 'no answer') : failureWord(result.failure);
  return [
    result.runId,
    shortId(result.taskId),
    result.stage,
    group === undefined ? '' : `${group.step}`,
    group === undefined || group.evaluation === '' ? 'training' : `evaluation ${group.evaluation}`,
    reward.kind === 'reward' ? reward.reward.toFixed(3) : reward.kind,
    `${result.turns}`,
    `${result.promptTokens + result.modelTokens + result.environmentTokens}`,
    formatDuration(result.durationMs),
    short(row === undefined ? (group?.questionId ?? '') : readRowFacts(row).question),
    short(ended),
  ];
}

function short(text: string): string {
  return text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters - 1)}…`;
}
