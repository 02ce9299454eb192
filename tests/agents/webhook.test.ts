import { expect, test } from 'vitest';
import { z } from 'zod';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { useRolloutFleet, type RolloutFleet } from '../rollout/fleet.ts';
import { agentTask, modelWithTemplate } from './agents.ts';
import { ask, post, report, send, startWebhook, type Init, type WebhookCall } from './webhook-server.ts';

const startFleet = useRolloutFleet();
const limits = {
  contextTokens: 512,
  maxTurns: 4,
  toolTimeoutMs: 40_000,
  turnTimeoutMs: 60_000,
  rolloutTimeoutMs: 120_000,
};

async function started(variables: NodeJS.ProcessEnv = {}) {
  const tokenizer = await modelWithTemplate();
  const fleet = await startFleet({ script: () => 'Verland Coast', tokenizer, variables, worker: { maxDeliveries: 2 } });
  return { fleet, play };

  async function play(taskId: string, webhook: object, options: object = {}, more: object = {}) {
    await fleet.publish(agentTask(taskId, { webhook, ...options }, { limits: { ...limits, ...more } }));
    return await fleet.resultOf(taskId);
  }
}

test('a webhook runs the agent of an episode and posts its result to the session', async () => {
  const { play } = await started({ HOOK_SECRET: 'sesame' });
  const said: unknown[] = [];
  const answers: number[] = [];
  async function run(init: Init): Promise<void> {
    said.push((await ask(init)).json);
    for (const rewards of [{ mine: 1.5 }, { others: 1 }, { mine: 0.25 }, { mine: 0.5 }]) {
      const { status } = await report(init, 'result', { prediction: 'the Coast', rewards, metrics: { steps: 3 } });
      answers.push(status);
    }
  }
  let busy = 2;
  const { url, calls } = await startWebhook(({ init }, response) => {
    if (busy-- > 0) return send(response, busy === 1 ? 429 : 503, {}, { 'retry-after': '0' });
    send(response, 202, {});
    if (init !== undefined) void run(init);
  });
  const webhook = { url: `${url}/start`, secret_env: 'HOOK_SECRET', cancel_url: `${url}/cancel/{session_id}` };
  const result = await play('hook', webhook, { rewards: ['mine'] });
  expect(result).toMatchObject({
    failure: FailureClass.UNSPECIFIED,
    prediction: 'the Coast',
    components: { exact_match: 1, mine: 0.25 },
    environmentMetrics: { steps: 3, conversations: 1 },
    turns: 1,
  });
  expect(said).toMatchObject([{ choices: [{ message: { content: 'Verland Coast' } }] }]);
  // Out of bounds; not of the recipe; taken; given twice, or of an episode that is over.
  expect(answers.slice(0, 3)).toEqual([400, 400, 204]);
  expect([404, 409]).toContain(answers[3]);
  // Asked again while it was busy, of the same session; not cancelled, since it ended by itself.
  expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual(Array(3).fill('POST /start'));
  expect(new Set(calls.map(({ init }) => init?.session_id)).size).toBe(1);
  expect(calls.map(({ headers }) => headers.authorization)).toEqual(Array(3).fill('Bearer sesame'));
  expect(calls[2]?.init).toMatchObject({ rollout_id: 'hook', attempt: 1, seed: '11', row: { id: 'q1' } });
});

test('a webhook is asked whether its agent has ended, and cancelled when nobody waits for it', async () => {
  const { play } = await started();
  const looks = new Map<string, number>();
  const { url, calls } = await startWebhook(({ method, path, init }, response) => {
    if (method === 'POST') {
      send(response, 200, { accepted: true });
      if (init !== undefined) void ask(init);
      return;
    }
    if (method === 'DELETE') return send(response, 200, {});
    const look = looks.get(path) ?? 0;
    looks.set(path, look + 1);
    const [, name] = path.split('/');
    if (look === 0) return send(response, 503, {});
    if (look === 1 || name === 'endless') return send(response, 200, { status: 'running' });
    if (name === 'failed') return send(response, 200, { status: 'ended', failure: 'the disk is full' });
    return send(response, 200, { status: 'ended', prediction: 'the Coast' });
  });
  const hook = (name: string) => ({
    url: `${url}/${name}`,
    status_url: `${url}/${name}/{rollout_id}/{session_id}`,
    cancel_url: `${url}/${name}/{session_id}`,
    poll_interval_ms: 20,
  });
  expect(await play('polled', hook('polled'))).toMatchObject({
    prediction: 'the Coast',
    components: { exact_match: 1 },
  });
  expect(await play('failed', hook('failed'))).toMatchObject({
    failure: FailureClass.USER_ENVIRONMENT,
    failureDetail: expect.stringContaining('the agent failed: it says: the disk is full'),
  });
  expect(await play('spoilt', hook('failed'), { failed_exit: 'malformed_turn' })).toMatchObject({
    failure: FailureClass.MALFORMED_TURN,
    components: { exact_match: 0 },
  });
  expect(calls.filter(({ method }) => method === 'DELETE')).toEqual([]);
  expect(await play('endless', hook('endless'), {}, { toolTimeoutMs: 500 })).toMatchObject({
    failure: FailureClass.TOOL_UNAVAILABLE,
    failureDetail: expect.stringContaining('neither asked the model nor ended'),
    components: {},
  });
  const inits = calls.filter(({ init }) => init?.rollout_id === 'endless').map(({ init }) => init?.session_id);
  const cancelled = (): string[] =>
    calls.filter(({ method }) => method === 'DELETE').map(({ path }) => path.split('/').at(-1) ?? '');
  // Each of its tries.
  await expect.poll(() => cancelled().toSorted()).toEqual(inits.map(String).toSorted());
});

test('an agent that asks without end is over at the limit of turns: it is told, and nothing that it reports is taken', async () => {
  const { play } = await started();
  const last = Promise.withResolvers<{ called: number; reported: number }>();
  async function askOn(init: Init): Promise<void> {
    const messages: object[] = [];
    for (;;) {
      messages.push({ role: 'user', content: 'And?' });
      const { status, json } = await post(`${init.base_url}/chat/completions`, init.api_key, {
        model: 'any',
        messages,
      });
      if (status !== 200) {
        const { status: reported } = await report(init, 'result', { prediction: 'the Coast', rewards: { mine: 1 } });
        return last.resolve({ called: status, reported });
      }
      messages.push({ role: 'assistant', content: completion.parse(json).choices[0].message.content });
    }
  }
  const { url, calls } = await startWebhook(({ init }, response) => {
    send(response, 200, {});
    if (init !== undefined) void askOn(init);
  });
  const webhook = { url, cancel_url: `${url}/{rollout_id}` };
  expect(await play('endless', webhook, { rewards: ['mine'] })).toMatchObject({
    failure: FailureClass.TURN_LIMIT,
    turns: 4,
    // How it was played: a limit of the policy's ended it.
    components: { exact_match: 0, mine: 0 },
  });
  expect(await last.promise).toEqual({ called: expect.toBeOneOf([400, 404]), reported: 404 });
  expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /', 'DELETE /endless']);
});

const completion = z.object({ choices: z.tuple([z.object({ message: z.object({ content: z.string() }) })]) });

type Broken = (call: WebhookCall, response: Parameters<typeof send>[0]) => void;

const atFault: Readonly<Record<string, readonly [Broken, RegExp]>> = {
  refuses: [
    (_, response) => send(response, 422, { detail: 'row has no question' }),
    /answered 422: row has no question/,
  ],
  html: [
    (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Welcome</html>'),
    /answered with what is no JSON object: '<html>Welcome/,
  ],
  redirects: [(_, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end(), /answered 302/],
  huge: [
    (_, response) => response.writeHead(200).end(JSON.stringify({ text: 'x'.repeat(10_000_000) })),
    /answered with more than 1048576 bytes/,
  ],
  list: [(_, response) => response.writeHead(200).end('[]'), /no JSON object: '\[\]'/],
};
const failing: Readonly<Record<string, Broken>> = {
  hangs: () => {},
  closes: (_, response) => response.destroy(),
  broken: (_, response) => send(response, 500, { error: 'no room' }),
  silent: (_, response) => send(response, 200, {}),
};

test('P2: what a webhook refuses or answers wrongly stops the run with its words; one that is down is absent, and never 0', async () => {
  const { play } = await started();
  const { url } = await startWebhook((call, response) => {
    const name = call.path.slice(1);
    (atFault[name]?.[0] ?? failing[name])?.(call, response);
  });
  for (const [name, [, words]] of Object.entries(atFault)) {
    expect([name, await play(name, { url: `${url}/${name}` })]).toMatchObject([
      name,
      { failure: FailureClass.USER_ENVIRONMENT, failureDetail: expect.stringMatching(words), components: {} },
    ]);
  }
  const absent = await Promise.all(
    Object.keys(failing).map(
      async (name) => [name, await play(name, { url: `${url}/${name}` }, { start_timeout_ms: 400 })] as const,
    ),
  );
  for (const result of absent)
    expect(result).toMatchObject([expect.any(String), { failure: FailureClass.TOOL_UNAVAILABLE, components: {} }]);
  expect(absent.find(([name]) => name === 'broken')?.[1].failureDetail).toContain('answered 500: no room');
});

test('a rollout whose worker is gone is told to the webhook as the same rollout, with another attempt and another session', async () => {
  const { fleet } = await started();
  const { url, calls } = await startWebhook(({ init }, response) => {
    send(response, 200, {});
    if (init === undefined) return;
    void ask(init).then(async () => (init.attempt === 1 ? undefined : await report(init, 'result', {})));
  });
  await fleet.publish(agentTask('moved', { webhook: { url } }, { limits }));
  await expect.poll(() => fleet.engine.generated.length, { timeout: 60_000 }).toBe(1);
  // Nothing is left of the first one: it hands its task back as it stops.
  await moveTo(fleet);
  expect(await fleet.resultOf('moved')).toMatchObject({ prediction: 'Verland Coast', reward: 1 });
  const inits = calls.map(({ init }) => init);
  expect(inits.map((init) => init?.rollout_id)).toEqual(['moved', 'moved']);
  expect(inits.map((init) => init?.attempt)).toEqual([1, 2]);
  expect(new Set(inits.map((init) => init?.session_id)).size).toBe(2);
  expect(fleet.results.filter(({ taskId }) => taskId === 'moved')).toHaveLength(1);
});

async function moveTo(fleet: RolloutFleet): Promise<void> {
  await fleet.workers[0]?.stop(100);
  await fleet.addWorker({ workerId: 'worker-second' });
}
