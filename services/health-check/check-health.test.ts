import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { TransientError } from '#platform/errors.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { addressHere, checkHealth } from './check-health.ts';

test('an address that listens everywhere is asked on this machine', () => {
  expect(addressHere('0.0.0.0:50051')).toBe('127.0.0.1:50051');
  expect(addressHere('[::]:50051')).toBe('[::1]:50051');
  expect(addressHere('10.0.0.5:7000')).toBe('10.0.0.5:7000');
});

test('a service is asked by its own settings: serving, not serving, and nothing that answers', async () => {
  const server = createGrpcServer({ log: pino({ level: 'silent' }), metrics: createMetrics() });
  const address = await server.listen('127.0.0.1:0');
  onTestFinished(() => server.drain(0));
  // Variables of the service alone are in the same environment.
  const env = { GRADUS_GRPC: address, GRADUS_NATS_URL: 'nats://127.0.0.1:4222', GRADUS_POLICY: '127.0.0.1:1' };
  expect(await checkHealth(env)).toBe('serving');
  server.setServing(false);
  expect(await checkHealth(env)).toBe('not_serving');
  await server.drain(0);
  await expect(checkHealth(env)).rejects.toThrow(TransientError);
});
