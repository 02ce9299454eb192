/**
 * What thinking does to answers and searches: a table over evaluations of the same questions, one for each policy and budget of thought.
 *
 *     node bench/overthinking/main.ts [--json FILE] 4B-off=DIR 4B-2048=DIR 8B-2048=DIR …
 *
 * NAME=DIR: the `--out` folder of `gradus eval recipes/overthinking.yaml`, or of any evaluation with the `search` environment. The stored rollouts are
 * read and their narrowed queries searched again; nothing is played. `--json` keeps what the table is made of, for scripts/results-tables.ts.
 */
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { planBase } from '#fleet/fleet-plan.ts';
import { TerminalError } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { parseResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { readTrajectory, storedResults } from '#run/rollouts/results.ts';
import { unpackScore } from '#trajectory/recorded-score.ts';
import { evaluationRun } from '../../services/cli/eval/evaluation-run.ts';
import { createOwnServices } from '../../services/cli/process/own-services.ts';
import { withStreams } from '../../services/cli/transcript/with-streams.ts';
import { narrowedSearches, type NarrowedSearches } from './searches.ts';
import { thoughtTable, type ThoughtRow } from './table.ts';

const estimate = z.object({ value: z.number(), low: z.number(), high: z.number() });
const summarySchema = z.object({
  rollouts: z.object({ asked: z.number(), n: z.number() }),
  success: z.object({ metric: z.string() }),
  metrics: z.record(z.string(), estimate),
  absent: z.array(z.object({ component: z.string().nullable() })),
});
const searchOptions = z.looseObject({ top_k: z.number().default(10), think: z.string().optional() });

async function rowOf(name: string, given: string, signal: AbortSignal): Promise<ThoughtRow> {
  const out = resolve(given);
  const { runId, directory } = evaluationRun(out);
  const summary = summarySchema.parse(JSON.parse(await readFile(join(out, 'summary.json'), 'utf8')));
  const { recipe, paths } = parseResolvedRecipe(await readFile(join(directory, 'recipe.json'), 'utf8'));
  const options = searchOptions.parse(recipe.environment.options);
  const retrieval = planBase({ recipe, paths }).find(({ service }) => service === 'retrieval');
  const services = await createOwnServices({ logs: join(directory, 'logs'), prefix: 'overthinking', signal });
  try {
    const address = retrieval && (await services.start(retrieval)).grpc;
    const client =
      address === undefined ? undefined : createGrpcClient(RetrievalService, address, { timeoutMs: 60_000 });
    const { searches, tokens } = await withStreams(
      dirname(directory),
      { command: 'bench/overthinking', note: (line) => process.stderr.write(`${line}\n`) },
      signal,
      (nats) => readRollouts(nats, runId, (item) => narrowedSearches(item, client, options.top_k), signal),
    );
    client?.close();
    const of = (metric: string): number => estimateOf(summary, metric, given).value;
    const graded = summary.metrics[`${summary.success.metric}.correct`] !== undefined;
    if (!graded) requireWhole(summary, given);
    const accuracy = estimateOf(summary, summary.success.metric, given);
    const attempted = graded ? 1 - of(`${summary.success.metric}.not_attempted`) : of('answered');
    return {
      name,
      rollouts: summary.rollouts,
      accuracy,
      attempted,
      wrong: graded ? of(`${summary.success.metric}.incorrect`) : attempted - accuracy.value,
      tokens,
      searches: sumOf(searches, 'searches') / Math.max(1, searches.length),
      filtered: sumOf(searches, 'filtered') / Math.max(1, sumOf(searches, 'searches')),
      excluding: sumOf(searches, 'excluding'),
    };
  } finally {
    await services.stop();
  }
}

type Estimate = z.output<typeof estimate>;
type Summary = z.output<typeof summarySchema>;

/** Never 0 for what was not measured (P2). */
function estimateOf({ metrics }: Summary, metric: string, given: string): Estimate {
  const found = metrics[metric];
  if (found === undefined)
    throw new TerminalError(
      'failed_precondition',
      `${given}: summary.json has no metric ${metric}, so nothing measured it; give an evaluation that has it, or judge it again with 'gradus eval --rejudge'`,
    );
  return found;
}

/** Accuracy is over the answers that were scored, `answered` over all: their difference says something where both are the same. */
function requireWhole({ absent, success: { metric } }: Summary, given: string): void {
  const lacking = absent.filter(({ component }) => component === metric).length;
  if (lacking > 0)
    throw new TerminalError(
      'failed_precondition',
      `${given}: ${lacking} answers have no ${metric}; judge them with 'gradus eval --rejudge ${given}' first`,
    );
}

type Item = Parameters<typeof narrowedSearches>[0];

/** Of every rollout that came back; mean tokens that the policy wrote. */
async function readRollouts(
  nats: Nats,
  runId: string,
  look: (item: Item) => Promise<NarrowedSearches>,
  signal: AbortSignal,
): Promise<{ readonly searches: readonly NarrowedSearches[]; readonly tokens: number }> {
  const searches: NarrowedSearches[] = [];
  const seen = new Set<string>();
  let tokens = 0;
  for await (const result of storedResults(nats, runId, signal)) {
    if (result.trajectorySequence === 0n || seen.has(result.taskId)) continue;
    seen.add(result.taskId);
    const recorded = unpackScore(await readTrajectory(nats, result, signal));
    if (recorded === undefined) continue;
    searches.push(await look(recorded.item));
    tokens += result.modelTokens;
  }
  return { searches, tokens: tokens / Math.max(1, searches.length) };
}

function sumOf(searches: readonly NarrowedSearches[], field: keyof NarrowedSearches): number {
  return searches.reduce((sum, one) => sum + one[field], 0);
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
const named = positionals.map((text) => /^([^=]+)=(.+)$/.exec(text)?.slice(1) ?? []);
if (named.length === 0 || named.some((pair) => pair.length !== 2)) {
  process.stderr.write('overthinking: give NAME=DIR for each evaluation, DIR its --out folder\n');
  process.exit(2);
}
const signal = AbortSignal.timeout(3_600_000);
const rows: ThoughtRow[] = [];
for (const [name = '', directory = ''] of named) rows.push(await rowOf(name, directory, signal));
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);
const [head = [], ...cells] = thoughtTable(rows);
const line = (row: readonly (string | number)[]): string => `| ${row.join(' | ')} |\n`;
process.stdout.write(`${line(head)}|${'---|'.repeat(head.length)}\n${cells.map(line).join('')}`);
