/** An agent whose model is somebody else's endpoint: evaluated as it stands, never trained. */
import OpenAI from 'openai';
import { expect, onTestFinished, test } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { LogprobKind, SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { endpointPolicyConfig } from '../../services/endpoint-policy/config.ts';
import { startEndpointPolicy } from '../../services/endpoint-policy/service.ts';
import { startScriptedEndpoint } from '../fakes/scripted-endpoint.ts';
import { lastingAddress } from '../fixtures/lasting-port.ts';
import { startInProcess, useRolloutFleet } from '../rollout/fleet.ts';
import { agentFolder, agentTask } from './agents.ts';
import { ask, post, report, send, startWebhook } from './webhook-server.ts';

const startFleet = useRolloutFleet();

const agent = `
import OpenAI from 'openai';
const client = new OpenAI();
const parameters = { type: 'object', properties: { of: { type: 'string' } } };
const tools = [{ type: 'function', function: { name: 'birthplace', parameters } }];
const messages = [{ role: 'system', content: 'Use the tool.' }, { role: 'user', content: 'Which country?' }];
const ask = async () => (await client.chat.completions.create({ model: 'any', messages, tools })).choices[0].message;
const called = await ask();
messages.push(called, { role: 'tool', tool_call_id: called.tool_calls[0].id, content: 'Ostwick Marrow, Verland Coast' });
await ask();
`;
const turns = ['<tool_call>{"name": "birthplace", "arguments": {"of": "Brontley"}}</tool_call>', 'Verland Coast'];

async function startWith(addresses: { readonly grpc?: string; readonly sessionsHttp?: string } = {}) {
  const server = await startScriptedEndpoint(
    ({ messages }) => turns[messages.filter(({ role }) => role === 'assistant').length] ?? '',
  );
  onTestFinished(() => server[Symbol.asyncDispose]());
  const startPolicy = async () => {
    const started = await startInProcess(
      (config: Parameters<typeof startEndpointPolicy>[0], ctx) => startEndpointPolicy(config, ctx, {}),
      endpointPolicyConfig,
      { baseUrl: server.baseUrl, model: 'm', ...addresses },
    );
    onTestFinished(() => started.stop());
    return started;
  };
  const policy = await startPolicy();
  const fleet = await startFleet({ script: () => 'not asked', workers: 0, variables: { OPEN_KEY: 'sesame' } });
  await fleet.addWorker({ policy: policy.address });
  return { server, policy, startPolicy, fleet };
}

test('an agent plays with an endpoint in the place of the policy: as text alone, with its tools', async () => {
  const { fleet, server } = await startWith();
  const folder = await agentFolder({ 'agent.mjs': agent });
  await fleet.publish(agentTask('closed', { command: [process.execPath, 'agent.mjs'], directory: folder }));
  const result = await fleet.resultOf('closed');
  expect(result).toMatchObject({
    failure: FailureClass.UNSPECIFIED,
    prediction: 'Verland Coast',
    reward: 1,
    turns: 2,
    toolCalls: 1,
    textOnly: true,
  });
  const trajectory = await fleet.trajectoryOf(result);
  checkTrajectory(trajectory);
  const spoken = trajectory.segments.filter(({ kind }) => kind === SegmentKind.MODEL);
  expect(spoken.map(({ text, logprobKind }) => [text, logprobKind])).toEqual(
    turns.map((text) => [text, LogprobKind.ABSENT]),
  );
  expect(server.calls.at(-1)?.request.messages).toEqual([
    { role: 'system', content: expect.stringMatching(/^Use the tool\.\n\n.*"birthplace"/s) },
    { role: 'user', content: 'Which country?' },
    { role: 'assistant', content: turns[0] },
    { role: 'user', content: '<tool_response>\nOstwick Marrow, Verland Coast\n</tool_response>' },
  ]);
});

test('what stands in the place of the gateway serves sessions, too', async () => {
  const { fleet, policy } = await startWith({ sessionsHttp: '127.0.0.1:0' });
  const sessions = { listen: policy.sessions };
  const { url } = await startWebhook(({ init }, response) => {
    send(response, 200, {});
    if (init === undefined) return;
    expect(init.base_url).toContain(policy.sessions);
    void ask(init).then(async () => await report(init, 'result', { prediction: 'the Coast' }));
  });
  await fleet.publish(agentTask('hooked', { webhook: { url }, sessions }));
  expect(await fleet.resultOf('hooked')).toMatchObject({ prediction: 'the Coast', reward: 1, textOnly: true });
  // Of the agents of this worker none is opened.
  expect((await post(`http://${policy.sessions}/sessions`, 'sesame')).status).toBe(503);
});

test('P10: a gateway that is started again hears from workers where their sessions are', async () => {
  const [grpc, sessionsHttp] = [await lastingAddress(), await lastingAddress()];
  const { fleet, policy, startPolicy } = await startWith({ grpc, sessionsHttp });
  const { url } = await startWebhook(({ init }, response) => {
    send(response, 200, {});
    if (init === undefined) return;
    // It asks at once, and again as its client sees fit. A starved machine may need more tries than the two that it makes by itself.
    const client = new OpenAI({ baseURL: init.base_url, apiKey: init.api_key, maxRetries: 8 });
    void client.chat.completions
      .create({ model: 'any', messages: [{ role: 'user', content: 'Who?' }] })
      .then(
        () => ({}),
        (error: unknown) => ({ failure: String(error) }),
      )
      .then(async (result) => await report(init, 'result', result));
  });
  const play = async (taskId: string) => {
    await fleet.publish(
      agentTask(taskId, { webhook: { url }, sessions: { listen: sessionsHttp }, start_timeout_ms: 50_000 }),
    );
    return await fleet.resultOf(taskId);
  };
  expect(await play('before')).toMatchObject({ failure: FailureClass.UNSPECIFIED, turns: 1 });
  await policy.stop();
  await startPolicy();
  expect(await play('after')).toMatchObject({ failure: FailureClass.UNSPECIFIED, turns: 1 });
});

test('agents of other machines where the gateway serves no sessions stop the run with what to do', async () => {
  const { fleet } = await startWith();
  await fleet.publish(
    agentTask('unserved', { webhook: { url: 'http://127.0.0.1:1' }, sessions: { listen: '127.0.0.1:1' } }),
  );
  expect(await fleet.resultOf('unserved')).toMatchObject({
    failure: FailureClass.USER_ENVIRONMENT,
    failureDetail: expect.stringContaining('start it with --sessions-http'),
  });
});
