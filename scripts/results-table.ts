/**
 * The tables of docs/results: one row per run and stage, from runs' summary.json.
 *
 *   node scripts/results-table.ts RUN_DIRECTORY...
 */
import { readRunSummary, type ModeScores, type RunSummary } from '../services/run/directory/run-summary.ts';

const percent = (share: number | undefined): string => (share === undefined ? '-' : (100 * share).toFixed(1));
const withInterval = (name: string, scores: ModeScores | undefined): string =>
  scores === undefined
    ? '-'
    : `${percent(scores.metrics[name])} (${percent(scores.interval?.low)}..${percent(scores.interval?.high)})`;

/** Before the first stage, at the limits of the last one, and after the last stage. */
function climbRow(summary: RunSummary): string {
  const start = summary.baseline?.detail;
  const end = summary.stages.at(-1)?.evalDetail['after'];
  const name = summary.primaryMetric;
  const gain = (end?.sampled?.metrics[name] ?? NaN) - (start?.sampled?.metrics[name] ?? NaN);
  const { published, lost, duplicated } = summary.rollouts;
  return [
    summary.seed,
    withInterval(name, start?.sampled),
    withInterval(name, end?.sampled),
    `${gain >= 0 ? '+' : ''}${percent(gain)}`,
    withInterval(name, start?.greedy),
    withInterval(name, end?.greedy),
    end?.sampled?.n ?? '-',
    published,
    lost,
    duplicated,
    (summary.wallSeconds / 60).toFixed(1),
  ].join(' | ');
}

/** `hops=2`, …: the parts that the evaluations of any stage have. */
const tagsOf = ({ stages }: RunSummary): string[] => [
  ...new Set(
    stages.flatMap(({ evalDetail }) =>
      Object.values(evalDetail).flatMap(({ sampled }) => Object.keys(sampled?.byTag ?? {})),
    ),
  ),
];

function stageRows(summary: RunSummary): string[] {
  const { primaryMetric: name } = summary;
  const tags = tagsOf(summary);
  return summary.stages.map((stage) => {
    const { before, after } = stage.eval;
    const arrow = (metric: string): string =>
      `${percent(before?.metrics[metric])} -> ${percent(after?.metrics[metric])}`;
    const byTag = (at: string): string =>
      tags.map((tag) => `${tag} ${percent(stage.evalDetail[at]?.sampled?.byTag[tag]?.metrics[name])}`).join(', ');
    const others = Object.keys(after?.metrics ?? before?.metrics ?? {}).filter((metric) => metric !== name);
    return [
      summary.seed,
      stage.name,
      stage.contextTokens,
      stage.steps,
      `${name} ${arrow(name)}`,
      others.map((metric) => `${metric} ${arrow(metric)}`).join(', '),
      byTag('before'),
      byTag('after'),
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
  '| seed | stage | context | steps | primary metric | beside it | by tag before | by tag after |',
  `|${'---|'.repeat(8)}`,
  ...summaries.flatMap((summary) => stageRows(summary).map((row) => `| ${row} |`)),
];
process.stdout.write(`${lines.join('\n')}\n`);
