import { spawn } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createGrpcClient, type GrpcClient } from '#platform/grpc/client.ts';
import { repositoryRoot } from '../../services/platform/repository.ts';
import { fivePages, writeCorpus } from './http-api.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const gradus = `${repositoryRoot}/services/cli/bin/gradus`;

interface Run {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
}

async function run(...args: readonly string[]): Promise<Run> {
  const child = spawn(gradus, args, { cwd: repositoryRoot, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (err += bytes.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { out, err, code };
}

async function startReplica(uri: string, ...flags: readonly string[]): Promise<GrpcClient<typeof RetrievalService>> {
  const args = ['serve', 'retrieval', '--backend', 'lancedb', '--uri', uri, '--log-level', 'warn', ...flags];
  const child = spawn(gradus, args, { cwd: repositoryRoot, stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  onTestFinished(async () => {
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
  });
  for await (const line of createInterface(child.stdout)) {
    const { grpc } = z.object({ grpc: z.string() }).parse(JSON.parse(line));
    const client = createGrpcClient(RetrievalService, grpc, { timeoutMs: 60_000 });
    onTestFinished(() => client.close());
    return client;
  }
  throw new Error('the replica ended before it served');
}

test('two processes over one published index give the same answers, and go over to a new one when asked', async () => {
  const corpus = await writeCorpus(fivePages);
  const uri = join(await temporaryDirectory(), 'database');
  const build = (): Promise<Run> => run('index', 'build', corpus, '--backend', 'lancedb', '--out', uri, '--json');
  const first = await build();
  expect(first).toMatchObject({ code: 0 });
  const replicas = [await startReplica(uri), await startReplica(uri)];
  const queries = ['Halvard', 'Norwick Vale', 'a town in Estmark Dell', 'nothing of this'];
  const [one, other] = await Promise.all(replicas.map((replica) => replica.search({ queries, topK: 5 })));
  expect(one?.results.map(({ hits }) => hits.length)).toEqual([1, 3, 5, 0]);
  expect(other).toEqual(one);
  const ids = ['3', 'unknown', 'a b/ü'];
  const [fetched, again] = await Promise.all(replicas.map((replica) => replica.fetch({ ids })));
  expect(fetched?.missingIds).toEqual(['unknown']);
  expect(again).toEqual(fetched);
  const { index_version: indexVersion } = z.object({ index_version: z.string() }).parse(JSON.parse(first.out));
  expect(one?.indexVersion).toBe(indexVersion);
  expect(await replicas[0]?.describe({})).toMatchObject({ indexVersion, backend: 'lancedb' });

  await appendFile(corpus, `\n${JSON.stringify({ id: 'new', title: 'Halvard', text: 'Halvard, Halvard.' })}`);
  expect((await build()).code).toBe(0);
  const [replica, late] = replicas;
  const reloaded = await replica?.reload({});
  expect(reloaded?.oldIndexVersion).toBe(indexVersion);
  const ask = { queries: ['Halvard'], topK: 1 };
  expect((await replica?.search(ask))?.results[0]?.hits[0]?.id).toBe('new');
  expect((await late?.search(ask))?.results[0]?.hits[0]?.id).toBe('0007');
});

test.each([
  [['--backend', 'lancedb'], /uri: missing; set --uri/],
  [['--backend', 'lancedb', '--uri', 'x', '--k1', '2'], /k1: belongs to backend local/],
  [['--corpus', 'x', '--uri', 'y'], /uri: needs backend lancedb/],
  [['--backend', 'lancedb', '--uri', 'db://x'], /give a directory, or s3:/],
  [['--backend', 'lancedb', '--uri', '/nothing/there'], /holds no index; build one: gradus index build/],
])('serve retrieval %j says what is wrong and ends', async (flags, message) => {
  const { code, err, out } = await run('serve', 'retrieval', ...flags);
  expect(code).not.toBe(0);
  expect(`${err}${out}`).toMatch(message);
});
