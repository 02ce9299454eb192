import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TerminalError } from '../errors.ts';
import { temporaryDirectory } from '../files/directory-under-test.ts';
import { auditedValue, createAuditLog } from './audit-log.ts';

const operation = { operation: 'StopRun', by: { peer: '127.0.0.1:1' }, about: { run_id: 'a' } };

function silentLog() {
  const said: object[] = [];
  return { said, log: { info: () => undefined, error: (about: object) => void said.push(about) } };
}

test('an operation is a line with who, what, when and what came of it, in a file for its owner alone', async () => {
  const file = join(await temporaryDirectory(), 'audit.jsonl');
  const audit = createAuditLog({ file, log: silentLog().log });
  expect(await audit.record(operation, async () => 7)).toBe(7);
  const failing = audit.record(operation, async () => {
    throw new TerminalError('not_found', 'run_id: there is no such run');
  });
  await expect(failing).rejects.toThrow('there is no such run');
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
    { ...operation, time: expect.stringMatching(/^20.*Z$/), result: 'ok', tookMs: expect.any(Number) },
    expect.objectContaining({ ...operation, result: 'not_found', message: 'run_id: there is no such run' }),
  ]);
  expect((await stat(file)).mode & 0o077).toBe(0);
});

test('P9: a line that cannot be written is in the log, and stops nobody', async () => {
  const file = join(await temporaryDirectory(), 'audit.jsonl');
  await mkdir(file);
  const { said, log } = silentLog();
  expect(await createAuditLog({ file, log }).record(operation, async () => 7)).toBe(7);
  expect(said).toMatchObject([{ file, audit: { operation: 'StopRun', result: 'ok' } }]);
});

test('of what is long there is a digest', () => {
  expect(auditedValue('x'.repeat(200))).toHaveLength(200);
  expect(auditedValue('x'.repeat(201))).toEqual({ bytes: 201, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(auditedValue(5n)).toBe(5);
});
