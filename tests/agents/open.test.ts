import { expect, test } from 'vitest';
import { z } from 'zod';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { useRolloutFleet } from '../rollout/fleet.ts';
import { agentTask, modelWithTemplate } from './agents.ts';
import { ask, post, report } from './webhook-server.ts';

const startFleet = useRolloutFleet();
const limits = {
  contextTokens: 512,
  maxTurns: 4,
  toolTimeoutMs: 40_000,
  turnTimeoutMs: 60_000,
  rolloutTimeoutMs: 120_000,
};
const opened = z.strictObject({
  session_id: z.string(),
  session_url: z.url(),
  base_url: z.url(),
  api_key: z.string(),
  model: z.string(),
  row: z.strictObject({ id: z.string(), data: z.looseObject({}), tags: z.looseObject({}) }),
});
type Opened = z.output<typeof opened>;

async function started() {
  const tokenizer = await modelWithTemplate();
  const variables = { OPEN_KEY: 'sesame' };
  const fleet = await startFleet({ script: () => 'Verland Coast', tokenizer, variables, worker: { maxDeliveries: 2 } });
  const gateway = fleet.policy.sessions;
  return { fleet, gateway, play, open };

  async function play(taskId: string, options: object = {}, more: object = {}): Promise<void> {
    const sessions = { listen: gateway };
    const agent = { open: { key_env: 'OPEN_KEY', wait_ms: 30_000 }, sessions, ...options };
    await fleet.publish(agentTask(taskId, agent, { limits: { ...limits, ...more } }));
  }

  /** Asks until an episode waits. */
  async function open(): Promise<Opened> {
    let session: Opened | undefined;
    await expect
      .poll(
        async () => {
          const { status, json } = await post(`http://${gateway}/sessions`, 'sesame');
          if (status === 200) session = opened.parse(json);
          return status;
        },
        { timeout: 60_000 },
      )
      .toBe(200);
    return opened.parse(session);
  }
}

test('somebody else opens sessions at the gateway; who gives a result ends the episode, and who falls silent has ended too', async () => {
  const { fleet, gateway, play, open } = await started();
  expect(await post(`http://${gateway}/sessions`, 'sesame')).toMatchObject({
    status: 503,
    json: { error: { message: 'no episode waits for a session now; ask again' } },
  });
  await play('told');
  const session = await open();
  expect(session.row).toEqual({
    id: 'q1',
    data: expect.objectContaining({ question: expect.any(String) }),
    tags: expect.anything(),
  });
  expect((await post(`http://${gateway}/sessions`, 'guess')).status).toBe(401);
  expect((await post(`http://${gateway}/sessions`, 'sesame', { row: 'q2' })).status).toBe(400);
  expect((await ask(session)).json).toMatchObject({ choices: [{ message: { content: 'Verland Coast' } }] });
  // By the key alone, as a client that knows one address for all of its sessions.
  const again = {
    model: 'any',
    messages: [
      { role: 'user', content: 'Who?' },
      { role: 'assistant', content: 'Verland Coast' },
      { role: 'user', content: 'Sure?' },
    ],
  };
  expect((await post(`http://${gateway}/v1/chat/completions`, session.api_key, again)).status).toBe(200);
  expect((await report(session, 'result', { prediction: 'the Coast' })).status).toBe(204);
  expect(await fleet.resultOf('told')).toMatchObject({ prediction: 'the Coast', reward: 1, turns: 2 });
  // Of a session that is over nothing is known.
  await expect.poll(async () => (await report(session, 'result', {})).status).toBe(404);
  expect((await ask(session)).status).toBe(404);

  await play('silent', {}, { toolTimeoutMs: 3_000 });
  await ask(await open());
  expect(await fleet.resultOf('silent')).toMatchObject({ prediction: 'Verland Coast', reward: 1, turns: 1 });
});

test('P2: a session that nobody opens, or that nobody asks in, is absent and never 0', async () => {
  const { fleet, play, open } = await started();
  await play('unopened', { open: { key_env: 'OPEN_KEY', wait_ms: 200 } });
  expect(await fleet.resultOf('unopened')).toMatchObject({
    failure: FailureClass.TOOL_UNAVAILABLE,
    failureDetail: expect.stringContaining('nobody opened a session within open.wait_ms (200 ms)'),
    components: {},
  });
  await play('unasked', { start_timeout_ms: 1_000 });
  await open();
  // It is tried again, and opened by somebody else; who ends a session without a question gives it back, too.
  expect((await report(await open(), 'result', {})).status).toBe(204);
  await ask(await open());
});

test('P2: rewards are attached to a session by its id until they are late; then the rollout is absent', async () => {
  const { fleet, gateway, play, open } = await started();
  await play('rewarded', { rewards: ['thumbs', 'speed'], reward_timeout_ms: 50_000 });
  const first = await open();
  await play('other', { rewards: ['thumbs', 'speed'], reward_timeout_ms: 50_000 });
  const second = await open();
  await ask(first);
  await ask(second);
  expect((await report(first, 'result', { rewards: { speed: 0.5 } })).status).toBe(204);
  expect((await report(first, 'result', {})).status).toBe(409);
  const rewards = async (body: object, session = first) => (await report(session, 'rewards', body)).status;
  expect(await rewards({ thumbs: 2 })).toBe(400);
  expect(await rewards({ thumbs: 'up' })).toBe(400);
  expect(await rewards({ thumbs: null })).toBe(400);
  expect(await rewards({ toes: 1 })).toBe(400);
  expect(await rewards({ ['x'.repeat(100_000)]: 1 })).toBe(400);
  expect(await rewards({ thumbs: 'x'.repeat(10_000_000) })).toBe(400);
  expect(await rewards({ thumbs: 'x'.repeat(20_000_000) })).toBe(400);
  expect(await rewards({ speed: 1 })).toBe(409);
  // With the key of another session, and of none.
  expect(await rewards({ thumbs: 1 }, { ...first, api_key: second.api_key })).toBe(401);
  expect(await rewards({ thumbs: 1 }, { ...first, session_url: `http://${gateway}/sessions/none` })).toBe(404);
  // Its conversation is over.
  expect((await ask(first)).json).toMatchObject({ error: { code: 'session_ended' } });
  expect(await rewards({ thumbs: 0.75 })).toBe(204);
  expect(await fleet.resultOf('rewarded')).toMatchObject({ components: { thumbs: 0.75, speed: 0.5, exact_match: 1 } });

  await play('late', { rewards: ['thumbs'], reward_timeout_ms: 300 });
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const late = await open();
    await ask(late);
    expect((await report(late, 'rewards', { thumbs: 7 })).status).toBe(400);
    await report(late, 'result', {});
  }
  expect(await fleet.resultOf('late')).toMatchObject({
    failure: FailureClass.TOOL_UNAVAILABLE,
    failureDetail: expect.stringMatching(
      /rewards: thumbs of session .* did not come within reward_timeout_ms \(300 ms\).*one was refused: rewards\.thumbs: 7/,
    ),
    components: {},
  });
});
