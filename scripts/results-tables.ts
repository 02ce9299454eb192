/**
 * The tables of results pages, printed from the summaries that lie next to them. A page has them between marks:
 *
 *   <!-- table: climb demo-seed-1 demo-seed-2 -->
 *   <!-- end of table -->
 *
 *   node scripts/results-tables.ts                    writes them into README.md and docs/results
 *   node scripts/results-tables.ts --check            fails where a page has others than its summaries give
 *   node scripts/results-tables.ts stages runs/seed1  prints one, here of a run's directory
 */
import { globSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { controlRun } from '../bench/stage-controls/control-run.ts';
import { controlTable } from '../bench/stage-controls/table.ts';
import { familyTable, learnerResults, learnerStepTable } from '../bench/learner/table.ts';
import { thoughtRow, thoughtTable } from '../bench/overthinking/table.ts';
import {
  readRunSummary,
  type EvalDetail,
  type ModeScores,
  type RunSummary,
} from '../services/run/directory/run-summary.ts';

type Table = readonly (readonly (string | number)[])[];
type Mode = 'greedy' | 'sampled';

const estimate = z.object({ value: z.number(), low: z.number(), high: z.number() });
/** summary.json of `gradus eval`. */
const reportSchema = z.object({
  success: z.object({ metric: z.string() }),
  sampling: z.object({ temperature: z.number() }),
  limits: z.object({ context_tokens: z.number() }),
  metrics: z.record(z.string(), estimate),
  by_tag: z.record(z.string(), z.object({ rows: z.number(), metrics: z.record(z.string(), estimate) })),
});
type Report = z.infer<typeof reportSchema>;

const percent = (share: number | undefined): string => (share === undefined ? '-' : (100 * share).toFixed(1));
const withInterval = (value: number | undefined, interval: { low: number; high: number } | null | undefined): string =>
  interval === null || interval === undefined
    ? percent(value)
    : `${percent(value)} (${percent(interval.low)}..${percent(interval.high)})`;

/** `2 / 3 / 4 hops`: values of the one tag, and what each has. */
const tagsOf = (summary: RunSummary): string[] => Object.keys(summary.baseline?.detail.greedy?.byTag ?? {});
const tagHead = (tags: readonly string[]): string =>
  `${tags.map((tag) => tag.split('=')[1]).join(' / ')} ${tags[0]?.split('=')[0] ?? ''}`;
const byTag = (scores: ModeScores | undefined, name: string, tags: readonly string[]): string =>
  tags.map((tag) => percent(scores?.byTag[tag]?.metrics[name])).join(' / ');

/** Untrained and trained, both at the limits of the last stage. */
function climb(summaries: readonly RunSummary[]): Table {
  const rows = summaries.map((summary) => {
    const { primaryMetric: name, baseline, rollouts } = summary;
    const end = summary.stages.at(-1)?.evalDetail['after'];
    const cells = (mode: Mode): string[] => {
      const [from, to] = [baseline?.detail[mode], end?.[mode]];
      const [before, after] = [from?.metrics[name], to?.metrics[name]];
      const gain = before === undefined || after === undefined ? undefined : after - before;
      return [
        withInterval(before, from?.interval),
        withInterval(after, to?.interval),
        `${gain !== undefined && gain >= 0 ? '+' : ''}${percent(gain)}`,
      ];
    };
    const { published, lost, duplicated } = rollouts;
    return [summary.seed, ...cells('greedy'), ...cells('sampled'), end?.greedy?.n ?? '-', published, lost, duplicated];
  });
  const head = ['greedy, untrained', 'trained', 'points', 'sampled, untrained', 'trained', 'points'];
  return [['seed', ...head, 'n', 'rollouts', 'lost', 'counted twice'], ...rows];
}

/** Greedy at the limits of the last stage: before any training, before that stage, and after it, by tag. */
function lastLimits(summaries: readonly RunSummary[]): Table {
  const [first] = summaries;
  const tags = first === undefined ? [] : tagsOf(first);
  const rows = summaries.flatMap(({ seed, primaryMetric: name, baseline, stages }) => {
    const last = stages.at(-1);
    const row = (policy: string, detail: EvalDetail | undefined): string[] => {
      const scores = detail?.greedy;
      return [
        `${seed}`,
        policy,
        withInterval(scores?.metrics[name], scores?.interval),
        ...tags.map((tag) => percent(scores?.byTag[tag]?.metrics[name])),
      ];
    };
    return [
      row('untrained', baseline?.detail),
      row(`before ${last?.name ?? ''}`, last?.evalDetail['before']),
      row(`after ${last?.name ?? ''}`, last?.evalDetail['after']),
    ];
  });
  const counts = first?.baseline?.detail.greedy?.byTag;
  return [
    ['seed', 'policy', 'all', ...tags.map((tag) => `${tag.replace('=', ' ')} (n ${counts?.[tag]?.n ?? '-'})`)],
    ...rows,
  ];
}

/** Before and after every stage that trains, at its own limits. */
function ownLimits(summaries: readonly RunSummary[]): Table {
  const [first] = summaries;
  const tags = first === undefined ? [] : tagsOf(first);
  const sampled = summaries.some(({ baseline }) => baseline?.detail.sampled !== undefined);
  const others = sampled ? 'sampled' : 'greedy';
  const rows = summaries.flatMap(({ seed, primaryMetric: name, stages: all }) =>
    all.flatMap((stage) => {
      if (stage.kind === 'eval') return [];
      const { before, after } = stage.evalDetail;
      const arrow = (mode: Mode, metric: string): string =>
        `${percent(before?.[mode]?.metrics[metric])} -> ${percent(after?.[mode]?.metrics[metric])}`;
      return [
        [
          seed,
          stage.name,
          stage.contextTokens,
          stage.steps,
          arrow('greedy', name),
          `${byTag(before?.greedy, name, tags)} -> ${byTag(after?.greedy, name, tags)}`,
          ...(sampled ? [arrow('sampled', name)] : []),
          ...['tool_success', 'format'].map((metric) => arrow(others, metric)),
        ],
      ];
    }),
  );
  const drawn = sampled ? ['sampled'] : [];
  const head = ['greedy', `greedy, ${tagHead(tags)}`, ...drawn, `tool success, ${others}`, `format, ${others}`];
  return [['seed', 'stage', 'context', 'steps', ...head], ...rows];
}

/** What a stage of kind eval found: greedy where it took the likeliest tokens, else sampled. */
function asked({ evalDetail: { after } }: Pick<RunSummary['stages'][number], 'evalDetail'>): ModeScores | undefined {
  return after?.greedy ?? after?.sampled;
}

/** The evaluations that are stages of runs, with what chance says of those that are paired with an earlier one. */
function askedStages(summaries: readonly RunSummary[]): Table {
  const evaluations = summaries.map(({ stages }) => stages.filter(({ kind }) => kind === 'eval'));
  const tags = Object.keys(asked(evaluations[0]?.[0] ?? { evalDetail: {} })?.byTag ?? {});
  const rows = summaries.flatMap(({ seed, primaryMetric: name }, index) =>
    (evaluations[index] ?? []).map((stage) => {
      const scores = asked(stage);
      const { against, better, worse, p } = stage.paired ?? {};
      return [
        seed,
        stage.name,
        stage.evalDetail['after']?.greedy === undefined ? 'sampled' : 'greedy',
        withInterval(scores?.metrics[name], scores?.interval),
        byTag(scores, name, tags),
        percent(scores?.metrics['tool_success']),
        scores?.n ?? '-',
        against === undefined
          ? ''
          : `${against}: ${better} better, ${worse} worse, p ${p !== undefined && p < 0.001 ? p.toExponential(1) : p?.toFixed(3)}`,
      ];
    }),
  );
  return [['seed', 'stage', 'drawn', 'all', tagHead(tags), 'tool success', 'n', 'row by row next to'], ...rows];
}

/** Evaluations that are stages, over runs of several seeds: of each seed, their mean, and the lowest and highest. */
function seeds(summaries: readonly RunSummary[]): Table {
  const [first] = summaries;
  const evaluations = first?.stages.filter(({ kind }) => kind === 'eval') ?? [];
  const tags = Object.keys(asked(evaluations[0] ?? { evalDetail: {} })?.byTag ?? {});
  const mean = (values: readonly (number | undefined)[]): number | undefined =>
    values.reduce<number | undefined>(
      (sum, value) => (sum === undefined || value === undefined ? undefined : sum + value / values.length),
      0,
    );
  const rows = evaluations.map(({ name, evalDetail }) => {
    const metric = first?.primaryMetric ?? '';
    const of = summaries.map(({ stages }) => asked(stages.find((stage) => stage.name === name) ?? { evalDetail: {} }));
    const values = of.map((scores) => scores?.metrics[metric]);
    const known = values.filter((value) => value !== undefined);
    return [
      name,
      evalDetail['after']?.greedy === undefined ? 'sampled' : 'greedy',
      ...values.map(percent),
      `${percent(mean(values))} (${percent(Math.min(...known))}..${percent(Math.max(...known))})`,
      tags.map((tag) => percent(mean(of.map((scores) => scores?.byTag[tag]?.metrics[metric])))).join(' / '),
      percent(mean(of.map((scores) => scores?.metrics['tool_success']))),
    ];
  });
  const columns = summaries.map(({ seed }) => `seed ${seed}`);
  return [
    ['stage', 'drawn', ...columns, 'mean (lowest..highest)', `${tagHead(tags)}, mean`, 'tool success, mean'],
    ...rows,
  ];
}

/** Policies side by side, by how their tokens are drawn. */
function decoding(
  policies: readonly { readonly name: string; readonly reports: readonly Report[] }[],
  context: number,
): Table {
  const of = policies.map(({ name, reports }) => ({
    name,
    reports: reports.filter((report) => report.limits.context_tokens === context),
  }));
  const temperatures = [...new Set(of.flatMap(({ reports }) => reports.map(({ sampling }) => sampling.temperature)))];
  const tags = Object.keys(of[0]?.reports[0]?.by_tag ?? {});
  const rows = temperatures
    .toSorted((a, b) => a - b)
    .map((temperature) => [
      temperature === 0 ? 'greedy' : `temperature ${temperature}`,
      ...of.flatMap(({ reports }) => {
        const report = reports.find(({ sampling }) => sampling.temperature === temperature);
        const name = report?.success.metric ?? '';
        const all = report?.metrics[name];
        return [
          withInterval(all?.value, all),
          tags.map((tag) => percent(report?.by_tag[tag]?.metrics[name]?.value)).join(' / '),
        ];
      }),
    ]);
  return [['drawn', ...of.flatMap(({ name }) => [name, tagHead(tags)])], ...rows];
}

async function summaryIn(directory: string): Promise<RunSummary> {
  const summary = await readRunSummary(directory);
  if (summary === undefined) throw new Error(`${directory}: no summary.json; give the directory of a finished run`);
  return summary;
}

/** `climb DIRECTORY...` and its like: the lines of a table. Paths are relative to `root`. */
async function linesOf(words: readonly string[], root: string): Promise<string[]> {
  const [kind = '', ...rest] = words;
  const ofRuns = { climb, stages: ownLimits, 'last-limits': lastLimits, asked: askedStages, seeds }[kind];
  let table: Table;
  if (ofRuns !== undefined) table = ofRuns(await Promise.all(rest.map(async (name) => summaryIn(resolve(root, name)))));
  else if (kind === 'controls') {
    const measured = z.object({ runs: z.array(controlRun) });
    const files = rest.map(async (file) => measured.parse(JSON.parse(await readFile(resolve(root, file), 'utf8'))));
    table = controlTable((await Promise.all(files)).flatMap(({ runs }) => runs));
  } else if (kind === 'decoding') {
    const [context = '', ...folders] = rest;
    const policies = folders.map(async (folder) => ({
      name: folder.split('/').at(-1) ?? '',
      reports: await Promise.all(
        globSync('*.json', { cwd: resolve(root, folder) }).map(async (file) =>
          reportSchema.parse(JSON.parse(await readFile(resolve(root, folder, file), 'utf8'))),
        ),
      ),
    }));
    table = decoding(await Promise.all(policies), Number(context));
  } else if (kind === 'thought') {
    const rows = rest.map(async (file) =>
      z.array(thoughtRow).parse(JSON.parse(await readFile(resolve(root, file), 'utf8'))),
    );
    table = thoughtTable((await Promise.all(rows)).flat());
  } else if (kind === 'learner-steps' || kind === 'learner-families') {
    const [file = ''] = rest;
    const results = learnerResults.parse(JSON.parse(await readFile(resolve(root, file), 'utf8')));
    table = kind === 'learner-steps' ? learnerStepTable(results) : familyTable(results);
  } else
    throw new Error(
      `'${kind}' is no table; there are climb, last-limits, stages, asked, seeds, controls, decoding, thought, learner-steps and learner-families`,
    );
  const [head = [], ...rows] = table;
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)];
}

const root = join(import.meta.dirname, '..');
const results = join(root, 'docs/results');
const marked = /(<!-- table: ([^\n]*?) -->\n)[^]*?(<!-- end of table -->)/gu;

/** The page with its tables as their summaries give them. */
async function printed(text: string): Promise<string> {
  const tables = await Promise.all(
    [...text.matchAll(marked)].map(async ([, , words = '']) => linesOf(words.split(' '), results)),
  );
  return text.replaceAll(
    marked,
    (_, begin: string, _words: string, end: string) => `${begin}${(tables.shift() ?? []).join('\n')}\n${end}`,
  );
}

const [first, ...rest] = process.argv.slice(2);
if (first !== undefined && first !== '--check')
  process.stdout.write(`${(await linesOf([first, ...rest], '.')).join('\n')}\n`);
else
  for (const page of ['README.md', ...globSync('docs/results/*.md', { cwd: root })]) {
    const text = await readFile(join(root, page), 'utf8');
    const now = await printed(text);
    if (now === text) continue;
    if (first === undefined) await writeFile(join(root, page), now);
    else {
      process.stderr.write(`${page}: its tables are not what its summaries give; run scripts/generate\n`);
      process.exitCode = 1;
    }
  }
