/**
 * How long a version takes into a store of artefacts and out of it: a folder, NATS, and S3 by moto, all on this machine. Random bytes, as nothing of a
 * float32 version is there already. JSON on stdout: seconds and MB/s of each, in the order of rounds; S3 is left out, and said, where there is no
 * moto_server ('make s3-server').
 *
 *   npx node bench/artefact-stores.ts [SIZES_MB [ROUNDS]]     default 64,512 and 3
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { BlobStore } from '#artefacts/blob-store.ts';
import { fetchArtefact } from '#artefacts/fetch-artefact.ts';
import { openStore } from '#artefacts/open-store.ts';
import { putArtefact } from '#artefacts/put-artefact.ts';
import { connectNats } from '#platform/nats/connect.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { lastingPort } from '../tests/fixtures/lasting-port.ts';

const MB = 1_000_000;
const sizesMb = (process.argv[2] ?? '64,512').split(',').map(Number);
const rounds = Number(process.argv[3] ?? 3);
if (![...sizesMb, rounds].every((each) => Number.isSafeInteger(each) && each >= 1))
  throw new Error('SIZES_MB and ROUNDS must be whole numbers of at least 1, like 64,512 3');

const { signal } = new AbortController();
const place = await mkdtemp(join(tmpdir(), 'gradus-bench-'));
const disposals: (() => Promise<unknown>)[] = [];

async function openS3(): Promise<BlobStore | undefined> {
  const ours = join(repositoryRoot, '.build/s3/bin/moto_server');
  const program = existsSync(ours) ? ours : 'moto_server';
  if (spawnSync(program, ['--help']).status !== 0) {
    process.stderr.write("S3 is left out: there is no moto_server here; 'make s3-server' makes it\n");
    return undefined;
  }
  const port = await lastingPort();
  const server = spawn(program, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  disposals.push(async () => server.kill('SIGTERM'));
  const endpoint = `http://127.0.0.1:${port}`;
  for (const until = Date.now() + 120_000; Date.now() < until;) {
    const made = await fetch(`${endpoint}/bench`, { method: 'PUT' }).catch(() => undefined);
    if (made?.ok === true)
      return await openStore(`s3://bench/of?endpoint=${endpoint}`, { accessKeyId: 'bench', secretAccessKey: 'bench' });
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('moto_server did not answer within 120 s');
}

async function openNats(): Promise<BlobStore> {
  const server = await startNatsServer({ storeDirectory: join(place, 'nats') });
  disposals.push(() => server.stop());
  const nats = await connectNats({ url: server.url, name: 'bench', log: pino({ level: 'silent' }), signal });
  disposals.push(() => nats.close());
  return await openStore('nats:bench', { nats: async () => nats });
}

/** A folder with one file, as a version is. */
async function makeVersion(megabytes: number): Promise<string> {
  const folder = await mkdtemp(join(place, 'version-'));
  await using file = await open(join(folder, 'model.safetensors'), 'w');
  for (let left = megabytes; left > 0; left -= 1) await file.write(randomBytes(MB));
  await file.sync();
  return folder;
}

/** What no store can be faster than here: a digest of the same bytes. */
async function hashSeconds(folder: string): Promise<number> {
  const startedMs = performance.now();
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(join(folder, 'model.safetensors'))) hash.update(bytes as Buffer);
  hash.digest();
  return (performance.now() - startedMs) / 1000;
}

const rounded = (seconds: number): number => Number(seconds.toFixed(3));

async function measure(store: BlobStore, megabytes: number) {
  const put: number[] = [];
  const get: number[] = [];
  const hash: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const folder = await makeVersion(megabytes);
    const out = join(place, 'fetched', String(round));
    await mkdir(join(place, 'fetched'), { recursive: true });
    hash.push(rounded(await hashSeconds(folder)));
    let startedMs = performance.now();
    const { digest, writtenBytes } = await putArtefact(store, folder, { kind: 'version', isFinal: true, signal });
    put.push(rounded((performance.now() - startedMs) / 1000));
    if (writtenBytes !== megabytes * MB) throw new Error(`${store.url}: ${writtenBytes} bytes were sent`);
    startedMs = performance.now();
    const { readBytes } = await fetchArtefact(store, digest, out, { signal });
    get.push(rounded((performance.now() - startedMs) / 1000));
    if (readBytes !== megabytes * MB) throw new Error(`${store.url}: ${readBytes} bytes came over`);
    for (const each of [folder, out]) await rm(each, { recursive: true });
  }
  const speed = (seconds: readonly number[]): number =>
    Math.round(megabytes / (seconds.toSorted((a, b) => a - b)[Math.floor(seconds.length / 2)] ?? NaN));
  return {
    megabytes,
    putSeconds: put,
    getSeconds: get,
    hashSeconds: hash,
    putMbPerS: speed(put),
    getMbPerS: speed(get),
  };
}

try {
  const stores: Record<string, BlobStore | undefined> = {
    folder: await openStore(join(place, 'store')),
    nats: await openNats(),
    s3: await openS3(),
  };
  const figures = [];
  for (const [name, store] of Object.entries(stores)) {
    if (store === undefined) continue;
    for (const megabytes of sizesMb) {
      const result = { store: name, ...(await measure(store, megabytes)) };
      process.stderr.write(`${JSON.stringify(result)}\n`);
      figures.push(result);
    }
  }
  process.stdout.write(
    `${JSON.stringify({ bench: 'artefact-stores', machine: machineFacts(), rounds, figures }, undefined, 2)}\n`,
  );
} finally {
  for (const dispose of disposals.toReversed()) await dispose();
  await rm(place, { recursive: true, force: true, maxRetries: 3 });
}
