/**
 * The tables of docs/results: one row per run and stage, from runs' summary.json.
 *
 *   node scripts/results-table.ts RUN_DIRECTORY...
 */
import { readRunSummary, type ModeScores, type RunSummary } from '../services/cli/run/run-summary.ts';

const percent = (share: number | undefined): string => (share === undefined ? '-' : (100 * share).toFixed(1));
const withInterval = (scores: ModeScores | undefined): string =>
  scores === undefined ? '-' : `${percent(scores.em)} (${percent(scores.emLow)}..${percent(scores.emHigh)})`;

/** Before the first stage, at the limits of the last one, and after the last stage. */
function climbRow(summary: RunSummary): string {
  const start = summary.baseline?.detail;
  const end = summary.stages.at(-1)?.evalDetail?.['after'];
  const gain = (end?.sampled?.em ?? NaN) - (start?.sampled?.em ?? NaN);
  const { published, lost, duplicated } = summary.rollouts;
  return [
    summary.seed,
    withInterval(start?.sampled),
    withInterval(end?.sampled),
    `${gain >= 0 ? '+' : ''}${percent(gain)}`,
    withInterval(start?.greedy),
    withInterval(end?.greedy),
    end?.sampled?.n ?? '-',
    published,
    lost,
    duplicated,
    (summary.wallSeconds / 60).toFixed(1),
  ].join(' | ');
}

function stageRows(summary: RunSummary): string[] {
  return summary.stages.map((stage) => {
    const { before, after } = stage.eval;
    const hops = (name: string): string =>
      ['2', '3', '4'].map((hop) => percent(stage.evalDetail?.[name]?.sampled?.byHop[hop]?.em)).join(' / ');
    return [
      summary.seed,
      stage.name,
      stage.contextTokens ?? '-',
      stage.steps,
      `${percent(before?.toolSuccess)} -> ${percent(after?.toolSuccess)}`,
      `${percent(before?.formatOk)} -> ${percent(after?.formatOk)}`,
      `${percent(before?.em)} -> ${percent(after?.em)}`,
      hops('before'),
      hops('after'),
    ].join(' | ');
  });
}

const summaries: RunSummary[] = [];
for (const directory of process.argv.slice(2)) {
  const summary = await readRunSummary(directory);
  if (summary === undefined) throw new Error(`${directory}: no summary.json; give the directory of a finished run`);
  summaries.push(summary);
}
const lines = [
  '| seed | sampled before | sampled after | points | greedy before | greedy after | n | rollouts | lost | twice | minutes |',
  `|${'---|'.repeat(11)}`,
  ...summaries.map((summary) => `| ${climbRow(summary)} |`),
  '',
  '| seed | stage | context | steps | tool success | format | exact match | by hops before (2 / 3 / 4) | by hops after |',
  `|${'---|'.repeat(9)}`,
  ...summaries.flatMap((summary) => stageRows(summary).map((row) => `| ${row} |`)),
];
process.stdout.write(`${lines.join('\n')}\n`);
