import { afterEach, expect, test } from 'vitest';
import { EngineState } from '#proto/policy/v1/policy_pb.ts';
import { engine, eventually, gateway, stopAll, turnOf } from '../../services/policy/gateway-under-test.ts';
import { newCredentials, securityOf } from './certificates.ts';

afterEach(stopAll);

test('an engine is admitted by its certificate: what another service of the fleet, or of a foreign one, serves at an address that is added gets no turn', async () => {
  const [directory, foreign] = [await newCredentials(), await newCredentials()];
  const own = await engine({ security: await securityOf(directory, 'engine') });
  const strangers = [
    await engine({ security: await securityOf(directory, 'rollout') }),
    await engine({ security: await securityOf(foreign, 'engine') }),
    await engine(),
  ];
  const { client } = await gateway(
    [own],
    {},
    { own: await securityOf(directory, 'policy'), caller: await securityOf(directory, 'operator') },
  );
  for (const { address } of strangers) await client.addEngine({ address });
  await eventually(async () => {
    const { engineList } = await client.describe({});
    expect(engineList.map(({ address, state }) => [address, state])).toEqual(
      expect.arrayContaining([
        [own.address, EngineState.UP],
        ...strangers.map(({ address }) => [address, EngineState.DOWN]),
      ]),
    );
    for (const { address } of strangers)
      expect(engineList.find((each) => each.address === address)?.problem).not.toContain('has not answered yet');
  });
  await Promise.all(['a', 'b', 'c', 'd'].map((session) => client.generate(turnOf(session))));
  expect(own.generated).toHaveLength(4);
  for (const stranger of strangers) expect(stranger.generated).toEqual([]);
});
