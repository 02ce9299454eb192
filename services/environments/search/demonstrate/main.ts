/**
 * Writes demonstrations for the base policy: a mixture of demonstrators acts in the real environment over a running
 * retrieval service. See `--help`.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createRetrievalSource } from '../retrieval-source.ts';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { readAllMusique } from '#questions/musique/read-musique.ts';
import { readMixture } from './mixture.ts';
import { planOf, type Plan, type QueryStyle } from './plan.ts';
import { writeDemonstrations } from './write-demonstrations.ts';

const help = `demonstrate: episodes of a mixture of demonstrators in the search environment, as rows of a stage of kind sft

  node services/environments/search/demonstrate/main.ts --world DIR --retrieval HOST:PORT --count N --out FILE

  --world DIR           a generated world; its train.jsonl gives the questions
  --questions FILE      instead: questions in MuSiQue's schema
  --retrieval HOST:PORT the retrieval service over the same corpus
  --count N             episodes to write
  --seed N              default 1
  --mixture FILE        default: mixture.yaml next to this program
  --out FILE            the result, complete or absent
  --concurrency N       episodes at once, default 512`;

function integer(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new TerminalError('invalid_argument', `--${name} ${text}: give an integer from ${least} to ${most}`);
}

function required(name: string, text: string | undefined): string {
  if (text === undefined || text === '')
    throw new TerminalError('invalid_argument', `--${name} is missing; see --help`);
  return text;
}

async function readPlans(path: string, style: QueryStyle): Promise<Plan[]> {
  const rows = await readAllMusique(path);
  return rows.flatMap((row) => planOf(row, style) ?? []);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      world: { type: 'string' },
      questions: { type: 'string' },
      retrieval: { type: 'string' },
      count: { type: 'string' },
      seed: { type: 'string', default: '1' },
      mixture: { type: 'string', default: join(import.meta.dirname, 'mixture.yaml') },
      out: { type: 'string' },
      concurrency: { type: 'string', default: '512' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(`${help}\n`);
  const questions = values.questions ?? join(required('world', values.world), 'train.jsonl');
  const count = integer('count', required('count', values.count), 1, 100_000_000);
  const out = required('out', values.out);
  const mixture = await readMixture(values.mixture);
  const plans = await readPlans(questions, mixture.queries);
  const client = createGrpcClient(RetrievalService, required('retrieval', values.retrieval), { timeoutMs: 30_000 });
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error('interrupted')));
  process.once('SIGTERM', () => stop.abort(new Error('terminated')));
  const started = performance.now();
  let reported = started;
  const report = (written: number): void => {
    const seconds = (performance.now() - started) / 1000;
    process.stderr.write(
      `${JSON.stringify({ written, of: count, perSecond: Math.round(written / seconds), seconds: Math.round(seconds) })}\n`,
    );
  };
  try {
    await client.ready({ timeoutMs: 10_000, signal: stop.signal });
    await writeDemonstrations({
      plans,
      mixture,
      source: createRetrievalSource(client),
      count,
      seed: integer('seed', values.seed, 0, Number.MAX_SAFE_INTEGER),
      out,
      concurrency: integer('concurrency', values.concurrency, 1, 65_536),
      signal: stop.signal,
      onProgress: (written) => {
        if (performance.now() - reported < 2000 && written < count) return;
        reported = performance.now();
        report(written);
      },
    });
  } finally {
    client.close();
  }
}

try {
  await main();
} catch (thrown) {
  process.stderr.write(`demonstrate: ${errorFrom(thrown).message}\n`);
  process.exitCode = 1;
}
