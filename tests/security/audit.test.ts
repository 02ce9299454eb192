import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { TerminalError } from '../../services/platform/errors.ts';
import { createGrpcClient } from '../../services/platform/grpc/client.ts';
import { createGrpcServer } from '../../services/platform/grpc/server.ts';
import { createAuditLog } from '../../services/platform/security/audit-log.ts';
import { createMetrics } from '../../services/platform/telemetry/metrics.ts';
import { newCredentials, securityOf } from './certificates.ts';

async function startCoordinator(directory: string) {
  const log = pino({ level: 'silent' });
  const file = join(directory, 'audit.jsonl');
  const security = { ...(await securityOf(directory, 'coordinator')), audit: createAuditLog({ file, log }) };
  const server = createGrpcServer({ log, metrics: createMetrics(), security });
  onTestFinished(() => server.drain(0));
  server.add(CoordinatorService, {
    submitRun: async () => ({ runId: 'a' }),
    getRun: async () => ({}),
    listRuns: async () => ({}),
    async *watchRun() {},
    stopRun: async () => {
      throw new TerminalError('not_found', "run_id: there is no run 'gone'");
    },
    describeFleet: async () => ({}),
    submitRecipe: async () => ({}),
    async *readEvents() {},
    getSummary: async () => ({}),
    listRunFiles: async () => ({}),
    async *readRunFile() {},
  });
  const address = await server.listen('127.0.0.1:0');
  const clientOf = async (role: string) => {
    const client = createGrpcClient(CoordinatorService, address, {
      timeoutMs: 60_000,
      security: await securityOf(directory, role),
    });
    onTestFinished(() => client.close());
    return client;
  };
  return {
    clientOf,
    lines: async (): Promise<Record<string, unknown>[]> =>
      (await readFile(file, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
  };
}

test('P9: what somebody does to a fleet, or was refused, is in its audit log with who it was; looking is not, and neither is a recipe', async () => {
  const { clientOf, lines } = await startCoordinator(await newCredentials());
  const operator = await clientOf('operator');
  const recipeText = `name: a # ${'canary'.repeat(100)}`;
  await operator.submitRecipe({ runId: 'a', recipeText, set: ['seed=2'], priority: 3 });
  await expect(operator.stopRun({ runId: 'gone', now: true, reason: 'Ctrl-C' })).rejects.toThrow('there is no run');
  await operator.listRuns({});
  await expect((await clientOf('rollout')).stopRun({ runId: 'a' })).rejects.toMatchObject({
    code: 'permission_denied',
  });
  const by = (role: string) => ({
    peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    roles: [role],
    certificate: expect.stringMatching(/^[0-9A-F]+$/),
  });
  expect(await lines()).toEqual([
    expect.objectContaining({
      operation: 'SubmitRecipe',
      by: by('operator'),
      about: {
        run_id: 'a',
        recipe_text: { bytes: recipeText.length, sha256: expect.any(String) },
        set: '["seed=2"]',
        priority: 3,
      },
      result: 'ok',
    }),
    expect.objectContaining({
      operation: 'StopRun',
      about: { run_id: 'gone', now: true, reason: 'Ctrl-C' },
      result: 'not_found',
      message: "run_id: there is no run 'gone'",
    }),
    expect.objectContaining({
      operation: 'StopRun',
      by: by('rollout'),
      about: { run_id: 'a' },
      result: 'permission_denied',
    }),
  ]);
  expect(JSON.stringify(await lines())).not.toContain('canary');
});
