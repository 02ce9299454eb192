import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { errorFrom } from '#platform/errors.ts';
import { mayStartLater, parseReadyLine, startChildService } from './child-service.ts';
import type { ChildOptions } from './child-service.ts';

const noGuardian = { watch() {}, forget() {}, release() {} };

async function shell(script: string, more: Partial<ChildOptions> = {}): Promise<ChildOptions> {
  return {
    label: 'retrieval',
    command: '/bin/sh',
    args: ['-c', script],
    env: {},
    logFile: join(await mkdtemp(join(tmpdir(), 'gradus-child-')), 'retrieval.log'),
    readyTimeoutMs: 60_000,
    guardian: noGuardian,
    signal: new AbortController().signal,
    ...more,
  };
}

const ready = `echo 'some banner'; echo '{"service":"retrieval","grpc":"127.0.0.1:1"}'`;

test('a child serves once it has printed its ready line, and its stderr is its log', async () => {
  const options = await shell(`echo noted >&2; ${ready}; exec sleep 60`);
  const child = await startChildService(options);
  expect(child.ready.grpc).toBe('127.0.0.1:1');
  expect(await readFile(options.logFile, 'utf8')).toBe('noted\n');
  await child.stop(1_000);
  expect((await child.exited).signal).toBe('SIGTERM');
});

test('a child that exits before it serves is reported with the last error of its log', async () => {
  const line = '{"level":"fatal","message":"corpus: /x cannot be read"}';
  const options = await shell(`echo '{"level":"info","message":"starts"}' >&2; echo '${line}' >&2; exit 1`);
  await expect(startChildService(options)).rejects.toThrow(
    /retrieval did not start \(exit code 1\).*\n  corpus: \/x cannot be read/,
  );
});

test('P3: a child that says nothing is ended at the deadline', async () => {
  const options = await shell('exec sleep 60', { readyTimeoutMs: 200 });
  await expect(startChildService(options)).rejects.toThrow('did not say that it serves within 0.2 s');
});

test('a program that does not exist is one clear sentence', async () => {
  const options = await shell('', { command: '/nonexistent/program' });
  await expect(startChildService(options)).rejects.toThrow('retrieval: /nonexistent/program could not be started');
});

test('a child that ignores SIGTERM is killed after its grace', async () => {
  const child = await startChildService(await shell(`trap '' TERM; ${ready}; while :; do sleep 1; done`));
  await child.stop(100);
  expect((await child.exited).signal).toBe('SIGKILL');
});

test('P10: a child that ended by itself is not signalled any more: its process id may be of another group', async () => {
  const child = await startChildService(await shell(`${ready}; exit 3`));
  expect((await child.exited).code).toBe(3);
  const kill = vi.spyOn(process, 'kill').mockImplementation(() => true);
  onTestFinished(() => kill.mockRestore());
  await child.stop(60_000);
  child.kill();
  expect(kill).not.toHaveBeenCalled();
});

test('only a JSON object with a service name is a ready line', () => {
  expect(parseReadyLine('listening')).toBeUndefined();
  expect(parseReadyLine('{"grpc":"127.0.0.1:1"}')).toBeUndefined();
  expect(parseReadyLine('{broken')).toBeUndefined();
  expect(parseReadyLine('{"service":"retrieval","http":"127.0.0.1:2"}')?.service).toBe('retrieval');
});

test.each([
  ['is killed', 'kill -KILL $$', true],
  ['says that what it needs is not available', 'exit 75', true],
  ['fails', 'exit 1', false],
  ['refuses its settings', 'exit 2', false],
])('a child that %s while it starts may be tried again: %s: %s', async (_, script, expected) => {
  const thrown: unknown = await startChildService(await shell(script)).catch((error: unknown) => error);
  expect(mayStartLater(errorFrom(thrown))).toBe(expected);
});
