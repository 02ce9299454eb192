import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { EngineState, type GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import { createGrpcClient, type GrpcClient } from '#platform/grpc/client.ts';
import { createPolicyGateways } from '../../services/rollout/worker/policy-gateways.ts';
import { lastingAddress } from '../fixtures/lasting-port.ts';

const root = join(import.meta.dirname, '../..');
const python = join(root, '.venv/bin/python');

interface Process {
  readonly child: ChildProcess;
  readonly address: string;
}

const started: Process[] = [];

async function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Process> {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const { grpc } = z.object({ grpc: z.string() }).parse(JSON.parse(line));
    const running = { child, address: grpc };
    started.push(running);
    return running;
  }
  throw new Error(`${command} ${args.join(' ')} ended before it served`);
}

async function kill({ child }: Process): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

// Each starts two or three processes, some of which import PyTorch.
describe.runIf(existsSync(python))('policy processes that die or freeze', { timeout: 300_000 }, () => {
  let directory = '';
  const model = (): string => join(directory, 'model');
  const pythonEnv = {
    PYTHONPATH: `${join(root, 'services/learner')}:${join(root, 'proto/gen/python')}`,
    OMP_NUM_THREADS: '1',
  };
  const engine = (at = '127.0.0.1:0'): Promise<Process> =>
    start(
      python,
      ['-m', 'gradus_learner.engine', '--model', model(), '--grpc', at, '--max-context', '512', '--threads', '1'],
      pythonEnv,
    );
  const gateway = (engines: readonly Process[]): Promise<Process> =>
    start(process.execPath, [
      'services/policy/main.ts',
      '--engines',
      engines.map(({ address }) => address).join(','),
      '--tokenizer',
      join(model(), 'tokenizer.json'),
      '--probe-interval-ms',
      '200',
      '--probe-timeout-ms',
      '3000',
      '--grpc',
      '127.0.0.1:0',
    ]);
  const clientOf = ({ address }: Process): GrpcClient<typeof PolicyService> =>
    createGrpcClient(PolicyService, address, { timeoutMs: 60_000 });

  /** Long turns with their own seeds: what each writes is the same wherever it is written. */
  function turns(generate: GrpcClient<typeof PolicyService>['generate'], count = 8): Promise<GenerateResponse[]> {
    const turn = (index: number) =>
      generate({
        requestId: `task-${index}:0:0`,
        sessionId: `task-${index}`,
        tokenIds: [5, 6, 7 + index],
        contextTokens: 512,
        sampling: { temperature: 1, maxNewTokens: 480, seed: BigInt(index) },
      });
    return Promise.all(Array.from({ length: count }, (_, index) => turn(index)));
  }
  const writtenBy = (answers: readonly GenerateResponse[]) => answers.map(({ tokenIds }) => tokenIds);

  async function inFlightOn(client: GrpcClient<typeof PolicyService>, { address }: Process): Promise<number> {
    const { engineList } = await client.describe({});
    return engineList.find((each) => each.address === address)?.inFlight ?? 0;
  }
  async function stateOf(client: GrpcClient<typeof PolicyService>, { address }: Process) {
    const { engineList } = await client.describe({});
    return engineList.find((each) => each.address === address)?.state;
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gradus-failover-'));
    execFileSync(python, ['tests/fixtures/tiny-model/build.py', model()], {
      cwd: root,
      env: { ...process.env, ...pythonEnv },
    });
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map(kill));
  });
  afterAll(async () => rm(directory, { recursive: true, force: true }));

  it('P1: a turn of an engine that is killed is written again elsewhere, to the same token', async () => {
    const engines = await Promise.all([engine(), engine()]);
    const [dying] = engines;
    const client = clientOf(await gateway(engines));
    const calm = writtenBy(await turns(client.generate));
    const answers = turns(client.generate);
    await expect.poll(() => inFlightOn(client, dying), { interval: 5 }).toBeGreaterThan(0);
    await kill(dying);
    expect(writtenBy(await answers)).toEqual(calm);
    expect(await stateOf(client, dying)).toBe(EngineState.DOWN);
    client.close();
  });

  it('P3: an engine that freezes loses its turns to the other, and is used again, with the version, when it wakes up', async () => {
    const engines = await Promise.all([engine(), engine()]);
    const [freezing] = engines;
    const client = clientOf(await gateway(engines));
    const calm = writtenBy(await turns(client.generate));
    const answers = turns(client.generate);
    await expect.poll(() => inFlightOn(client, freezing), { interval: 5 }).toBeGreaterThan(0);
    freezing.child.kill('SIGSTOP');
    expect(writtenBy(await answers)).toEqual(calm);
    // The frozen one is not waited for, and not used until it has what it missed.
    expect(await client.loadVersion({ version: 3n, weightsPath: model() })).toMatchObject({ version: 3n });
    expect(await stateOf(client, freezing)).toBe(EngineState.DOWN);
    freezing.child.kill('SIGCONT');
    await expect.poll(() => stateOf(client, freezing)).toBe(EngineState.UP);
    const later = await turns(client.generate);
    expect(writtenBy(later)).toEqual(calm);
    expect(later.map(({ versions }) => versions?.first)).toEqual(Array(later.length).fill(3n));
    client.close();
  });

  it('P5: with the only engine and the gateway restarted together, a newer task waits for its weights', async () => {
    const first = await engine(await lastingAddress());
    const before = clientOf(await gateway([first]));
    await before.loadVersion({ version: 4n, weightsPath: model() });
    before.close();
    await Promise.all(started.splice(0).map(kill));
    const client = clientOf(await gateway([await engine(first.address)]));
    const waiting = client.generate({
      requestId: 'task:0:0',
      sessionId: 'task',
      tokenIds: [5],
      contextTokens: 64,
      minVersion: 4n,
      sampling: { temperature: 1, maxNewTokens: 4, seed: 1n },
    });
    await expect.poll(async () => (await client.describe({})).waiting).toBe(1);
    await client.loadVersion({ version: 4n, weightsPath: model() });
    expect((await waiting).versions).toMatchObject({ first: 4n, last: 4n });
    client.close();
  });

  it.each(['SIGKILL', 'SIGSTOP'] as const)(
    'P1: a gateway that gets %s loses its turns to the other gateway',
    async (fault) => {
      const only = await engine();
      const gateways = await Promise.all([gateway([only]), gateway([only])]);
      const [hit] = gateways;
      const down: string[] = [];
      const policy = createPolicyGateways({
        addresses: gateways.map(({ address }) => address),
        timeoutMs: 60_000,
        probeIntervalMs: 200,
        probeTimeoutMs: 3_000,
        onDown: (address) => void down.push(address),
        onUnresolved() {},
      });
      const calm = writtenBy(await turns(policy.generate));
      const direct = clientOf(hit);
      const answers = turns(policy.generate);
      await expect.poll(() => inFlightOn(direct, only), { interval: 5 }).toBeGreaterThan(0);
      hit.child.kill(fault);
      expect(writtenBy(await answers)).toEqual(calm);
      expect(down).toContain(hit.address);
      direct.close();
      policy.close();
    },
  );
});
