import { createServer } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { EngineOutput, EngineState } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { lastingAddress } from '../../../tests/fixtures/lasting-port.ts';
import { engine, eventually, gateway, stopAll, turnOf } from '../gateway-under-test.ts';
import { isTrainable, leastOf } from './engine-output.ts';

afterEach(stopAll);

const full = { output: EngineOutput.LOGPROBS, logprobKind: LogprobKind.TEMPERED };
const raw = { output: EngineOutput.LOGPROBS, logprobKind: LogprobKind.RAW };
const bare = {
  output: EngineOutput.TOKENS,
  server: 'plain 2.1',
  advice: ['start it with --logprobs'],
  fixedWeights: true,
};

test('turns can be trained on where the log-probabilities are those of what was drawn from', () => {
  const old = { output: EngineOutput.UNSPECIFIED, logprobKind: LogprobKind.UNSPECIFIED };
  expect([full, raw, old, { ...full, ...bare }].map((gives) => isTrainable(gives, 1))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect([full, raw, old].map((gives) => isTrainable(gives, 0.6))).toEqual([true, false, true]);
  expect(leastOf([full, raw])).toEqual(raw);
  expect(leastOf([raw, { ...full, output: EngineOutput.TEXT }])).toMatchObject({ output: EngineOutput.TEXT });
});

test('a gateway promises what the least of its engines gives, and says what each does', async () => {
  const engines = [await engine({ gives: full }), await engine({ gives: bare })];
  const { client } = await gateway(engines);
  const described = await client.describe({});
  expect(described).toMatchObject({ ...bare, logprobKind: LogprobKind.UNSPECIFIED });
  expect(described.engineList).toMatchObject([full, bare]);
});

test('P2: what is trained on is written by engines that give log-probabilities, also when one joins that does not', async () => {
  const giving = await engine({ gives: raw });
  const { client } = await gateway([giving], { maxOutageMs: 200 });
  const joining = await engine({ gives: bare });
  await client.addEngine({ address: joining.address });
  await eventually(async () => expect((await client.describe({})).engines).toBe(2));
  for (const session of ['a', 'b', 'c', 'd']) await client.generate(turnOf(session, 0, { trained: true }));
  expect(joining.generated).toHaveLength(0);
  expect(giving.generated).toHaveLength(4);
  const sampling = { temperature: 0.6, maxNewTokens: 8, stop: ['</answer>'] };
  const warm = client.generate(turnOf('e', 0, { trained: true, sampling }));
  await expect(warm).rejects.toThrow(/log-probabilities of what temperature 0.6 makes; 'gradus engine list'/);
});

test('an address that is no engine is named for what it is, and used once an engine is there', async () => {
  const http = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const bound = http.address();
  const server = `127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`;
  const nothing = await lastingAddress();
  const working = await engine();
  const { client } = await gateway([working, { address: server }, { address: nothing }]);
  const listed = async () => (await client.describe({})).engineList;
  try {
    await eventually(async () =>
      expect(await listed()).toMatchObject([
        { state: EngineState.UP, problem: '' },
        {
          state: EngineState.DOWN,
          problem: expect.stringMatching(/does not speak gRPC; .* gradus serve engine --help/),
        },
        { state: EngineState.DOWN, problem: `nothing listens at ${nothing}` },
      ]),
    );
    const late = await engine({ address: nothing });
    await eventually(async () =>
      expect((await listed())[2]).toMatchObject({ address: late.address, state: EngineState.UP, problem: '' }),
    );
  } finally {
    http.close();
  }
});

test('a gateway is no engine of another gateway', async () => {
  const { address } = await gateway([await engine()]);
  await expect(gateway([{ address }])).rejects.toThrow(`${address} is another service and no engine`);
});

test('weights that cannot be replaced keep an engine out once others are wanted', async () => {
  const fixed = await engine({ gives: { fixedWeights: true } });
  const { client } = await gateway([await engine({ serving: { version: 3n, weightsPath: '/w' } }), fixed]);
  await eventually(async () =>
    expect((await client.describe({})).engineList[1]).toMatchObject({
      state: EngineState.DOWN,
      problem: expect.stringMatching(/version 0 .*, 3 is wanted, and its weights cannot be replaced/),
    }),
  );
  expect(fixed.counts().version).toBe(0n);
});

test('an engine whose own server is down is there, and says so in its own words', async () => {
  const waiting = await engine({
    describeDelayMs: () => {
      throw new TransientError('unavailable', 'its server: connect ECONNREFUSED 127.0.0.1:1');
    },
  });
  const { client } = await gateway([await engine(), waiting]);
  await eventually(async () =>
    expect((await client.describe({})).engineList[1]).toMatchObject({
      state: EngineState.DOWN,
      problem: expect.stringMatching(/its server: connect ECONNREFUSED/),
    }),
  );
});

test('P10: an engine whose server is not used, or refuses the weights that serve, keeps no gateway from starting', async () => {
  const condemned = await engine({
    describeDelayMs: () => {
      throw new TerminalError('failed_precondition', 'plain 2.1 is not used: its weights are not those of version 4');
    },
  });
  const refusing = await engine({
    onLoad: () => {
      throw new TerminalError('invalid_argument', 'weights_path is /w/7, outside of roots');
    },
  });
  const working = await engine({ serving: { version: 7n, weightsPath: '/w/7' } });
  const { client } = await gateway([condemned, working, refusing]);
  await eventually(async () =>
    expect((await client.describe({})).engineList).toMatchObject([
      { state: EngineState.DOWN, problem: expect.stringMatching(/plain 2.1 is not used/) },
      { state: EngineState.UP },
      { state: EngineState.DOWN, problem: expect.stringMatching(/outside of roots/) },
    ]),
  );
  expect((await client.generate(turnOf('s'))).versions?.first).toBe(7n);
});
