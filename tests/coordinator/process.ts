import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import type { startCoordinatorFleet } from './fleet.ts';

type Fleet = Awaited<ReturnType<typeof startCoordinatorFleet>>;

/** Coordinators as processes of their own, to be killed and frozen. */
export function createCoordinatorProcesses() {
  const children: ChildProcess[] = [];
  return {
    async spawn(fleet: Fleet, ...more: string[]) {
      const flags = [
        '--nats-url',
        fleet.natsUrl(),
        '--policy',
        fleet.policyAddress,
        '--learner',
        fleet.learner.address,
      ];
      const child = spawn('node_modules/.bin/node', ['services/coordinator/main.ts', ...flags, ...more], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, GRADUS_LOG_LEVEL: 'fatal' },
      });
      children.push(child);
      for await (const line of createInterface({ input: child.stdout })) {
        const { grpc, metrics } = JSON.parse(line);
        return {
          child,
          client: createGrpcClient(CoordinatorService, grpc, { timeoutMs: 120_000 }),
          metrics: async () => (await fetch(`http://${metrics}/metrics`)).text(),
        };
      }
      throw new Error('the coordinator ended before it served');
    },
    killAll() {
      for (const child of children.splice(0)) child.kill('SIGKILL');
    },
  };
}

/** What a run decided, without times. */
export async function accountOf(fleet: Fleet, runId: string) {
  return (await fleet.ledger(runId)).flatMap(({ fact }): object[] => {
    if (fact.case === 'stepFormed')
      return [
        {
          step: fact.value.step,
          samples: fact.value.samples.map(({ taskId, reward, advantage }) => ({ taskId, reward, advantage })),
        },
      ];
    if (fact.case === 'evalFinished') {
      const { 'time/eval': _time, ...metrics } = fact.value.metrics;
      return [{ evaluation: fact.value.name, metrics }];
    }
    return [];
  });
}
