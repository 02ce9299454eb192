import { join } from 'node:path';
import { vi } from 'vitest';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import type { Security } from '#platform/security/security.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import {
  startScriptedEngine,
  type ScriptedEngine,
  type ScriptedEngineOptions,
} from '../../tests/fakes/scripted-engine.ts';
import { policyConfig, type PolicyConfig } from './config.ts';
import { startPolicy } from './service.ts';

const tokenizer = join(import.meta.dirname, '../../tests/fixtures/tokenizer/tokenizer.json');
const cleanups: (() => unknown)[] = [];

/** Ends what a test started, the last first. */
export async function stopAll(): Promise<void> {
  for (let next = cleanups.pop(); next !== undefined; next = cleanups.pop()) await next();
}

export async function engine(options: Partial<ScriptedEngineOptions> = {}): Promise<ScriptedEngine> {
  const started = await startScriptedEngine({
    tokenizer,
    script: ({ turn }) => `<answer> ${turn} </answer>`,
    ...options,
  });
  cleanups.push(() => started.kill());
  return started;
}

/** The real gateway in this process, on a free port. */
export async function gateway(
  engines: readonly { address: string }[],
  overrides: Partial<PolicyConfig> = {},
  security: { readonly own?: Security; readonly caller?: Security } = {},
) {
  const stop = new AbortController();
  const deferred: (() => unknown)[] = [];
  const config = policyConfig.parse({
    engines: engines.map(({ address }) => address),
    tokenizer,
    probeIntervalMs: 100,
    drainMs: 1000,
    ...overrides,
  });
  const metrics = createMetrics();
  const bound = await startPolicy(config, {
    name: 'policy',
    log: createLogger({ service: 'policy', level: 'silent' }),
    metrics,
    security: security.own,
    signal: stop.signal,
    defer: (_what, dispose) => void deferred.push(dispose),
    fail: (error) => {
      throw error;
    },
  });
  const address = bound['grpc'] ?? '';
  const client = createGrpcClient(PolicyService, address, { timeoutMs: 60_000, security: security.caller });
  let stopped = false;
  const end = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    client.close();
    stop.abort();
    for (const dispose of deferred.reverse()) await dispose();
  };
  cleanups.push(end);
  return { client, address, metrics, stop: end };
}

/** An engine's script that answers `text` once it is let go. */
export function heldScript(text: string): { script: ScriptedEngineOptions['script']; letGo(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { script: () => promise.then(() => text), letGo: resolve };
}

/** Waits until `check` does not throw. */
export const eventually = (check: () => unknown): Promise<unknown> =>
  vi.waitFor(check, { timeout: 60_000, interval: 10 });

export function turnOf(session: string, index = 0, overrides: object = {}) {
  return {
    requestId: `${session}:0:${index}`,
    sessionId: session,
    tokenIds: [1, 2, 3],
    contextTokens: 128,
    sampling: { temperature: 1, maxNewTokens: 64, seed: 7n, stop: ['</answer>'] },
    ...overrides,
  };
}
