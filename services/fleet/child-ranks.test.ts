import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startChildRanks } from './child-ranks.ts';
import { describeExit } from './child-service.ts';
import type { ChildOptions } from './child-service.ts';

const noGuardian = { watch() {}, forget() {}, release() {} };
const place = 'echo "$RANK/$WORLD_SIZE $LOCAL_RANK $MASTER_ADDR:$MASTER_PORT" >&2';
const ready = `echo '{"service":"learner","grpc":"127.0.0.1:1"}'`;

async function ranks(...scripts: readonly string[]): Promise<ChildOptions[]> {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-ranks-'));
  return scripts.map((script, rank) => ({
    label: `rank ${rank} of learner`,
    command: '/bin/sh',
    args: ['-c', script],
    env: {},
    logFile: join(directory, `${rank}.log`),
    readyTimeoutMs: 60_000,
    guardian: noGuardian,
    signal: new AbortController().signal,
  }));
}

test('ranks find each other by the variables of torchrun, and stop together', async () => {
  const options = await ranks(`${place}; ${ready}; exec sleep 60`, `${place}; ${ready}; exec sleep 60`);
  const service = await startChildRanks(options);
  const said = await Promise.all(options.map(({ logFile }) => readFile(logFile, 'utf8')));
  const [, meeting] = /^0\/2 0 (127\.0\.0\.1:\d+)\n$/.exec(said[0] ?? '') ?? [];
  expect(meeting).toBeDefined();
  expect(said[1]).toBe(`1/2 1 ${meeting}\n`);
  await service.stop(1_000);
  expect(describeExit(await service.exited)).toMatch(/^rank \d: ended by SIGTERM$/);
});

test('P10: where one rank ends the others do, and the end says which it was', async () => {
  const service = await startChildRanks(await ranks(`${ready}; exec sleep 60`, `${ready}; exec sleep 0.2`));
  expect(describeExit(await service.exited)).toBe('rank 1: exit code 0');
});

test('P10: a rank that cannot start ends the start of all, with its number and its words', async () => {
  const waits = 'exec sleep 60';
  const fails = `echo '{"level":"fatal","message":"no such device"}' >&2; exit 2`;
  await expect(startChildRanks(await ranks(waits, fails))).rejects.toThrow(
    /rank 1 of learner did not start \(exit code 2\)[^]*no such device/,
  );
});
