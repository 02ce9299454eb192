import { afterEach, describe, expect, it } from 'vitest';
import { engine, eventually, gateway, heldScript, stopAll, turnOf } from '../../services/policy/gateway-under-test.ts';
import { lastingAddress } from '../fixtures/lasting-port.ts';
import { createPolicyGateways } from '../../services/rollout/worker/policy-gateways.ts';

const closing: { close(): void }[] = [];

afterEach(async () => {
  for (const each of closing.splice(0)) each.close();
  await stopAll();
});

/** Two real gateways before the same engines, and a worker's client of both. */
async function twoGateways(engines: readonly { address: string }[]) {
  const gateways = [await gateway(engines, { drainMs: 0 }), await gateway(engines, { drainMs: 0 })] as const;
  const down: string[] = [];
  const policy = clientOf(
    gateways.map(({ address }) => address),
    down,
  );
  return { gateways, policy, down };
}

function clientOf(addresses: readonly string[], down: string[] = []) {
  const policy = createPolicyGateways({
    addresses,
    timeoutMs: 60_000,
    probeIntervalMs: 20,
    probeTimeoutMs: 60_000,
    onDown: (address) => void down.push(address),
    onUnresolved() {},
  });
  closing.push(policy);
  return policy;
}

async function valueOf(name: string, { metrics }: { metrics: { render(): Promise<string> } }): Promise<number> {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await metrics.render())?.[1] ?? 0);
}

const page = { texts: ['a page that a tool returned'] };

describe('several gateways', () => {
  it('share what a worker has tokenised evenly', async () => {
    const { gateways, policy } = await twoGateways([await engine()]);
    for (let call = 0; call < 10; call += 1) await policy.tokenize(page);
    const [first, second] = await Promise.all(
      gateways.map((each) => valueOf('gradus_policy_tokenized_tokens_total', each)),
    );
    expect(first).toBeGreaterThan(0);
    expect(second).toBe(first);
  });

  it('each have sessions of their own, whose turns all come to them', async () => {
    const { gateways, policy } = await twoGateways([await engine()]);
    const perGateway = () =>
      Promise.all(gateways.map((each) => valueOf('gradus_policy_generations_total{outcome="ok"}', each)));
    const sessions = Array.from({ length: 32 }, (_, index) => `s${index}`);
    await Promise.all(sessions.map((session) => policy.generate(turnOf(session))));
    const firstTurns = await perGateway();
    // Of 32 sessions by hash, all on one side has p < 1e-9.
    expect(Math.min(...firstTurns)).toBeGreaterThan(0);
    await Promise.all(sessions.map((session) => policy.generate(turnOf(session, 1))));
    expect(await perGateway()).toEqual(firstTurns.map((count) => 2 * count));
  });

  it('P1: fail no call when one of them ends in the middle: what it had is done by the other', async () => {
    const { script, letGo } = heldScript('x');
    const one = await engine({ script });
    const { gateways, policy, down } = await twoGateways([one]);
    const turns = Promise.all(Array.from({ length: 32 }, (_, index) => policy.generate(turnOf(`s${index}`))));
    await eventually(() => expect(one.counts().running).toBe(32));
    const texts = Promise.all(Array.from({ length: 32 }, () => policy.tokenize(page)));
    await gateways[0].stop();
    await eventually(() => expect(one.counts()).toMatchObject({ running: 32 }));
    letGo();
    expect((await turns).map(({ text }) => text)).toEqual(Array(32).fill('x'));
    const [{ results: [expected] } = { results: [] }] = await texts;
    expect((await texts).map(({ results: [result] }) => result)).toEqual(Array(32).fill(expected));
    expect(down).toEqual([gateways[0].address]);
    await policy.tokenize(page);
  });

  it('are used again once they are back', async () => {
    const one = await engine();
    const leaving = await gateway([one], { grpc: await lastingAddress() });
    const down: string[] = [];
    const policy = clientOf([leaving.address, (await gateway([one])).address], down);
    await leaving.stop();
    await eventually(() => expect(down).toEqual([leaving.address]));
    const back = await gateway([one], { grpc: leaving.address });
    await eventually(async () => {
      await policy.tokenize(page);
      expect(await valueOf('gradus_policy_tokenized_tokens_total', back)).toBeGreaterThan(0);
    });
  });

  it('are found by a name that stands for all of their addresses', async () => {
    const { address } = await gateway([await engine()]);
    const policy = clientOf([`dns:///${address}`]);
    expect((await policy.tokenize(page)).results).toHaveLength(1);
  });

  it('P3: say which addresses were asked when none answers', async () => {
    const { gateways, policy } = await twoGateways([]);
    for (const each of gateways) await each.stop();
    await expect(policy.tokenize(page)).rejects.toMatchObject({ name: 'TransientError', code: 'unavailable' });
    // A name of which nobody knows, by RFC 2606.
    await expect(clientOf(['dns:///gateway.invalid:1']).tokenize(page)).rejects.toThrow(
      'no address is known of dns:///gateway.invalid:1',
    );
  });
});
