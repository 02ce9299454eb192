import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import { freeze } from '#platform/runtime/freeze-under-test.ts';
import { askNats } from './ask-nats.ts';

async function startServer(jetStream: boolean) {
  const storeDirectory = await mkdtemp(join(tmpdir(), 'gradus-ask-nats-'));
  const server = await startNatsServer({ storeDirectory, jetStream });
  onTestFinished(() => server.stop());
  return { server, address: `127.0.0.1:${server.port}` };
}

test('P10: a NATS server that greets and whose JetStream answers is well; one that is frozen does not greet', async () => {
  const { server, address } = await startServer(true);
  await askNats(address, 60_000);
  await freeze(server.pid);
  await expect(askNats(address, 300)).rejects.toThrow(
    `NATS at ${address} accepts the connection and sends no INFO line`,
  );
  process.kill(server.pid, 'SIGCONT');
  await askNats(address, 60_000);
});

test('P10: a NATS server without a store greets, and is not taken for well', async () => {
  const { address } = await startServer(false);
  await expect(askNats(address, 60_000)).rejects.toThrow(`JetStream at ${address} is switched off`);
});

test('a port that nobody listens at is named', async () => {
  const { server, address } = await startServer(true);
  await server.stop();
  await expect(askNats(address, 60_000)).rejects.toThrow(`NATS at ${address} cannot be reached`);
});
