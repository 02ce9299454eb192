import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { dependantsOf, createPortClaim, movesBetween } from './reclaim-ports.ts';

async function listen(): Promise<{ address: string; close(): Promise<void> }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const close = async (): Promise<void> => void (await new Promise((done) => server.close(done)));
  onTestFinished(close);
  return { address: `127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`, close };
}

test('P10: a port that stays taken is waited for, with the name of who has it, and then given up for a free one', async () => {
  const grpc = await listen();
  const free = await listen();
  await free.close();
  const ports = createPortClaim('retrieval');
  const at = { service: 'retrieval', grpc: grpc.address, metrics: free.address };
  for (let start = 0; start < 3; start++) {
    await expect(ports.claim(at)).rejects.toThrow(
      new RegExp(
        `^retrieval cannot listen on its old port: ${grpc.address} \\(process ${process.pid} \\(.*\\) has it\\)$`,
      ),
    );
  }
  expect(await ports.claim(at)).toEqual({ grpc: '127.0.0.1:0', metrics: free.address });
});

test('a port that is free again in time is kept', async () => {
  const grpc = await listen();
  const ports = createPortClaim('retrieval');
  const at = { service: 'retrieval', grpc: grpc.address };
  await expect(ports.claim(at)).rejects.toThrow('cannot listen on its old port');
  await grpc.close();
  expect(await ports.claim(at)).toEqual({ grpc: grpc.address });
});

test('a first start has no ports to come back to', async () => {
  expect(await createPortClaim('retrieval').claim(undefined)).toEqual({});
});

test('those who hold an address that moved are started again, others are not', () => {
  const moves = movesBetween({ grpc: 'a:1', metrics: 'a:2' }, { grpc: 'a:3', metrics: 'a:2' });
  expect(moves).toEqual([{ protocol: 'grpc', from: 'a:1', to: 'a:3' }]);
  expect(dependantsOf('retrieval', ['grpc'])).toEqual(['rollout']);
  expect(dependantsOf('retrieval', ['metrics'])).toEqual([]);
  expect(dependantsOf('nats', ['nats'])).toEqual(['coordinator', 'rollout']);
  expect(dependantsOf('coordinator', ['grpc'])).toEqual([]);
});
