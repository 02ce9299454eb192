import { expect, onTestFinished, test } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { startServerUnderTest, type Connection } from '../../services/environments/openenv/server-under-test.ts';
import { useRolloutFleet } from './fleet.ts';
import { taskOf } from './task.ts';

const start = useRolloutFleet();
const rooms = 2;

/** An OpenEnv server with room for two sessions, whose second step ends an episode. */
async function startCramped() {
  const taken = new Map<Connection, number>();
  let refused = 0;
  const observed = (connection: Connection, text: string, done: boolean): void =>
    connection.send(
      JSON.stringify({ type: 'observation', data: { observation: { text }, reward: done ? 1 : 0, done } }),
    );
  const server = await startServerUnderTest((message, connection) => {
    if (message === undefined && taken.size < rooms) return void taken.set(connection, 0);
    const steps = taken.get(connection);
    if (message === undefined || steps === undefined) {
      refused += 1;
      const data = { message: 'Server at capacity', code: 'CAPACITY_REACHED' };
      return connection.send(JSON.stringify({ type: 'error', data }));
    }
    if (message.type === 'reset') observed(connection, 'ready', false);
    if (message.type === 'step') {
      taken.set(connection, steps + 1);
      observed(connection, 'on', steps + 1 === 2);
    }
    if (message.type === 'close') taken.delete(connection);
  });
  onTestFinished(async () => await server[Symbol.asyncDispose]());
  return { url: server.url, refusals: () => refused, inUse: () => taken.size };
}

test('P1, P2: an OpenEnv server at capacity is waited for, and every rollout is played', async () => {
  const server = await startCramped();
  const fleet = await start({
    script: () => ({ text: 'go', delayMs: 50 }),
    worker: { concurrency: 8, maxDeliveries: 100, retries: 20 },
  });
  const ids = Array.from({ length: 8 }, (_, index) => `cramped-${index}`);
  for (const id of ids)
    await fleet.publish(
      taskOf(id, { environment: 'openenv', environmentOptionsJson: JSON.stringify({ urls: [server.url] }) }),
    );
  for (const id of ids)
    expect(await fleet.resultOf(id)).toMatchObject({
      failure: FailureClass.UNSPECIFIED,
      turns: 2,
      components: { environment_reward: expect.any(Number) },
    });
  expect(server.refusals()).toBeGreaterThan(0);
  await expect.poll(server.inUse).toBe(0);
});
