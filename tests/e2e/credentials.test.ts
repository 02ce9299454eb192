import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { createGrpcClient } from '../../services/platform/grpc/client.ts';
import { callersOf, roleNames, serverOf } from '../../services/platform/security/roles.ts';
import { expiredPems, isTaken, newCredentials, pemsOf, securityOf } from '../security/certificates.ts';
import { filesWith } from './files-with.ts';
import { readJson, startGradus, tinyWorkplace } from './gradus-process.ts';

const contracts = [
  CoordinatorService,
  LearnerService,
  EngineService,
  PolicyService,
  RetrievalService,
  RewardService,
] as const;

interface Served {
  readonly service: string;
  readonly pid: number;
  readonly grpc?: string;
}

test('a fleet with certificates trains, with the learner in Python; no port and no RPC of it answers who may not ask; no secret is left anywhere', async () => {
  const directory = await tinyWorkplace();
  const [credentials, foreign] = [await newCredentials(), await newCredentials()];
  const canary = `canary-${'0123456789abcdef'.repeat(2)}`;
  process.env['HF_TOKEN'] = canary;
  onTestFinished(() => void delete process.env['HF_TOKEN']);
  const home = join(directory, 'runs');
  const up = startGradus(directory, 'up', 'tiny.yaml', '--credentials', credentials, '--home', 'runs');
  await up.says(/the fleet is up/);
  const fleet = (await readJson(join(home, 'fleet.json'))) as { services: Served[] };

  const expired = await expiredPems(credentials, 'operator');
  for (const { service, grpc } of fleet.services) {
    if (grpc === undefined) continue;
    for (const pems of [{}, await pemsOf(foreign, 'operator'), expired])
      expect([service, await isTaken(grpc, pems)]).toEqual([service, false]);
    expect([service, await isTaken(grpc, await pemsOf(credentials, 'operator'))]).toEqual([service, true]);
  }
  for (const contract of contracts) {
    const address = fleet.services.find(({ service }) => service === serverOf(contract))?.grpc ?? '';
    for (const method of contract.methods) {
      const wrong = roleNames.find((role) => !callersOf(method).includes(role)) ?? '';
      const security = await securityOf(credentials, wrong);
      const client = createGrpcClient(contract, address, { timeoutMs: 60_000, security });
      onTestFinished(() => client.close());
      await expect(call(client, method), `${method.name} as ${wrong}`).rejects.toMatchObject({
        code: 'permission_denied',
        message: expect.stringContaining('may not ask this'),
      });
    }
  }

  const server = ['--server', fleet.services.find(({ service }) => service === 'coordinator')?.grpc ?? ''];
  const plain = startGradus(directory, 'list', ...server);
  expect([await plain.exit(), plain.output()]).toEqual([
    4,
    expect.stringContaining('does it want certificates (--credentials)'),
  ]);
  const admitted = startGradus(directory, 'list', ...server, '--credentials', credentials);
  expect([await admitted.exit(), admitted.output()]).toEqual([0, 'no runs\n']);

  const run = startGradus(directory, 'run', 'tiny.yaml', '--run-id', 'secured', '--home', 'runs', '--no-samples');
  const commands = await commandLines(fleet.services);
  expect([await run.exit(), run.output()]).toEqual([0, expect.stringContaining('run secured')]);
  expect(await readJson(join(home, 'secured/summary.json'))).toMatchObject({ rollouts: { lost: 0 } });
  const natsLog = await readFile(join(home, 'nats/nats-server.log'), 'utf8');
  expect(natsLog).not.toMatch(/Permissions Violation/i);

  const gradus = async (...args: readonly string[]): Promise<readonly [number | string, string]> => {
    const command = startGradus(directory, ...args);
    return [await command.exit(), command.output()];
  };
  const retrieval = fleet.services.find(({ service }) => service === 'retrieval')?.grpc ?? '';
  expect(await gradus('index', 'reload', retrieval)).toEqual([4, expect.any(String)]);
  expect(await gradus('index', 'reload', retrieval, '--credentials', credentials)).toEqual([
    0,
    expect.stringContaining('unchanged'),
  ]);
  expect(await gradus('rollout', 'replay', '--run', 'secured', '--home', 'runs')).toEqual([
    0,
    expect.stringContaining('identical: '),
  ]);
  const at = `${server.join(' ')} --credentials ${credentials}`;
  expect(await gradus('submit', 'tiny.yaml', '--run-id', 'sent', ...server, '--credentials', credentials)).toEqual([
    0,
    expect.stringContaining(`'gradus cancel sent ${at}' stops it`),
  ]);
  expect(await gradus('cancel', 'sent', '--now', ...server, '--credentials', credentials)).toEqual([
    0,
    expect.stringContaining('stopped'),
  ]);

  const keys = (await readdir(credentials)).filter((name) => name.endsWith('.key'));
  const secrets = [canary];
  for (const key of keys) secrets.push((await readFile(join(credentials, key), 'utf8')).split('\n')[1] ?? canary);
  for (const secret of secrets) expect(commands).not.toContain(secret);
  expect(await filesWith(home, secrets)).toEqual([]);
  expect(up.output() + run.output()).not.toContain(canary);
  up.process.kill('SIGTERM');
  await up.exit();

  const evaluation = ['eval', 'tiny.yaml', '--limit', '2', '--out', 'evaluation', '--credentials', credentials];
  expect(await gradus(...evaluation)).toEqual([0, expect.stringContaining('exact_match')]);
  expect(await readFile(join(directory, 'evaluation/runs/nats/nats-server.log'), 'utf8')).toContain('TLS');
});

type AnyMethod = (typeof contracts)[number]['methods'][number];

async function call(client: object, { localName, methodKind }: AnyMethod): Promise<unknown> {
  const method = Reflect.get(client, localName) as (request: unknown) => unknown;
  if (methodKind === 'client_streaming') return await method(noRequests());
  const answer = method({});
  if (methodKind !== 'server_streaming') return await answer;
  for await (const item of answer as AsyncIterable<unknown>) return item;
  return undefined;
}

async function* noRequests(): AsyncGenerator<never, void, void> {}

async function commandLines(services: readonly Served[]): Promise<string> {
  const lines = services.map(({ pid }) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
  return (await Promise.all(lines)).join('\n');
}
