import { afterEach, expect, test } from 'vitest';
import { engine, gateway, stopAll } from '../../services/policy/gateway-under-test.ts';
import { createPolicyGateways } from '../../services/rollout/worker/policy-gateways.ts';

afterEach(stopAll);

const perGateway = async (metrics: { render(): Promise<string> }): Promise<number> =>
  Number(/^gradus_policy_tokenized_tokens_total (\d+)$/m.exec(await metrics.render())?.[1] ?? 0);

test('what a worker has tokenised is spread over all gateways', async () => {
  const first = await engine();
  const gateways = [await gateway([first]), await gateway([first])];
  const policy = createPolicyGateways({
    addresses: gateways.map(({ address }) => address),
    timeoutMs: 60_000,
    probeIntervalMs: 60_000,
    probeTimeoutMs: 60_000,
    onDown: () => undefined,
  });
  try {
    for (let call = 0; call < 64; call += 1) await policy.tokenize({ texts: ['a page that a tool returned'] });
  } finally {
    policy.close();
  }
  const counts = await Promise.all(gateways.map(({ metrics }) => perGateway(metrics)));
  // One key for all calls would leave one of them at 0; of 64 calls by hash, fewer than 8 on one side has p < 1e-9.
  for (const count of counts) expect(count / Math.max(...counts)).toBeGreaterThan(8 / 56);
});
