import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { createGrpcClient, type GrpcClient } from '#platform/grpc/client.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { childEnvironment, programOf, type ServiceName } from '../../services/fleet/service-programs.ts';
import { lastingAddress } from '../fixtures/lasting-port.ts';

export interface EngineUnderTest {
  readonly kind: string;
  /** Why it is left out; undefined where it is tested. */
  readonly missing?: string;
  start(model: string, maxContext: number): Promise<StartedEngine>;
}

export interface StartedEngine {
  readonly client: GrpcClient<typeof EngineService>;
  /** `kill -9` of the process that computes, and what its keeper does then: the test in a fleet's place, or the sidecar. */
  killAndRestart(): Promise<void>;
  stop(): Promise<void>;
}

const callTimeoutMs = 1_200_000;

/** Inference servers are started by `make test-engines` alone: each takes minutes and an environment of its own. */
const servers = process.env['TEST_ENGINES'] === 'all' ? [server('vllm', 'make vllm')] : [];

export const engines: readonly EngineUnderTest[] = [builtin(), ...servers];

function builtin(): EngineUnderTest {
  return {
    kind: 'builtin',
    async start(model, maxContext) {
      const address = await lastingAddress();
      const flags = ['--model', model, '--max-context', `${maxContext}`, '--threads', '1'];
      let child = await startService('engine', address, flags);
      return {
        client: createGrpcClient(EngineService, address, { timeoutMs: callTimeoutMs }),
        async killAndRestart() {
          await end(child, 'SIGKILL');
          child = await startService('engine', address, flags);
        },
        stop: () => end(child, 'SIGKILL'),
      };
    },
  };
}

/** A kind of inference server with its environment in `.build/<kind>`, started by the real sidecar. */
function server(kind: string, target: string): EngineUnderTest {
  const python = join(repositoryRoot, '.build', kind, 'bin/python');
  return {
    kind,
    ...(!existsSync(python) && { missing: `.build/${kind} is not there; \`${target}\` builds it` }),
    async start(model, maxContext) {
      const address = await lastingAddress();
      let pid = 0;
      const flags = ['--kind', kind, '--model', model, '--max-context', `${maxContext}`, '--max-running', '64'];
      const options = ['--options', JSON.stringify({ python })];
      const child = await startService('engine-sidecar', address, [...flags, ...options], (line) => {
        if (line['message'] === 'a server starts') pid = Number(line['pid']);
      });
      return {
        client: createGrpcClient(EngineService, address, { timeoutMs: callTimeoutMs }),
        async killAndRestart() {
          process.kill(pid, 'SIGKILL');
        },
        stop: () => end(child, 'SIGTERM'),
      };
    },
  };
}

/** Resolves when it serves. Its log goes to `onLog`, or to that of the tests where it is a complaint. */
async function startService(
  name: ServiceName,
  address: string,
  flags: readonly string[],
  onLog: (line: Record<string, unknown>) => void = () => {},
): Promise<ChildProcess> {
  const { command, args, env } = programOf(name);
  const child = spawn(command, [...args, '--grpc', address, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: childEnvironment(process.env, { ...env, GRADUS_LOG_LEVEL: 'info' }),
  });
  createInterface({ input: child.stderr }).on('line', (text) => {
    const line = text.startsWith('{') ? JSON.parse(text) : { level: 'error' };
    onLog(line);
    if (['error', 'fatal'].includes(line.level)) console.warn(text);
  });
  for await (const line of createInterface({ input: child.stdout })) if ('grpc' in JSON.parse(line)) return child;
  throw new Error(`${name} ended before it served`);
}

async function end(child: ChildProcess, by: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(by);
  await ended;
}
