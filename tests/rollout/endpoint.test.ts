/** Rollouts that an endpoint plays: real HTTP, real gRPC, real NATS. */
import { afterEach, expect, test } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { LogprobKind, SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { endpointPolicyConfig } from '../../services/endpoint-policy/config.ts';
import { startEndpointPolicy } from '../../services/endpoint-policy/service.ts';
import { startScriptedEndpoint, type EndpointReply, type EndpointRequest } from '../fakes/scripted-endpoint.ts';
import { goldRow } from '../fixtures/gold-item.ts';
import { startInProcess, useRolloutFleet } from './fleet.ts';
import { chain, brontley, taskOf, type TaskOverrides } from './task.ts';

const start = useRolloutFleet();
const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

const questionOf = ({ messages }: EndpointRequest): string =>
  messages.find(({ role }) => role === 'user')?.content ?? '';
const turnOf = ({ messages }: EndpointRequest): number => messages.filter(({ role }) => role === 'assistant').length;

/** A worker whose policy is an endpoint with this script. */
async function startWith(script: (request: EndpointRequest, call: number) => EndpointReply) {
  const server = await startScriptedEndpoint(script);
  endings.push(() => server[Symbol.asyncDispose]());
  const policy = await startInProcess(
    (config: Parameters<typeof startEndpointPolicy>[0], ctx) => startEndpointPolicy(config, ctx, {}),
    endpointPolicyConfig,
    { baseUrl: server.baseUrl, model: 'm' },
  );
  endings.unshift(() => policy.stop());
  const fleet = await start({ script: () => 'not asked', workers: 0 });
  await fleet.addWorker({ policy: policy.address, maxDeliveries: 2 });
  return { server, fleet };
}

const asking = (question: string, more: TaskOverrides = {}): TaskOverrides => ({
  row: goldRow({ ...brontley, id: question, question }),
  ...more,
});

test('an endpoint plays a whole rollout with tools; the trajectory says that it is of text alone', async () => {
  const { fleet, server } = await startWith((request) => `${chain[turnOf(request)] ?? ''} and I wait.`);
  await fleet.publish(taskOf('whole', { environmentOptionsJson: JSON.stringify({ top_k: 2, chat: true }) }));
  const result = await fleet.resultOf('whole');
  expect(result).toMatchObject({
    failure: FailureClass.UNSPECIFIED,
    prediction: 'Verland Coast',
    turns: 3,
    toolCalls: 2,
    components: { exact_match: 1 },
    textOnly: true,
  });
  const trajectory = await fleet.trajectoryOf(result);
  checkTrajectory(trajectory);
  const turns = trajectory.segments.filter(({ kind }) => kind === SegmentKind.MODEL);
  expect(turns.map(({ text }) => text.trim())).toEqual(chain.map((text) => text.trim()));
  expect(turns.every(({ logprobKind, logprobs }) => logprobKind === LogprobKind.ABSENT && logprobs.length === 0)).toBe(
    true,
  );
  // What the model wrote behind its call is not a part of the conversation.
  expect(server.calls[2]?.request.messages.map(({ role, content }) => [role, content.slice(0, 30)])).toEqual([
    ['user', brontley.question.slice(0, 30)],
    ['assistant', chain[0]?.slice(0, 30)],
    ['user', expect.stringContaining('<result> [')],
    ['assistant', chain[1]?.slice(0, 30)],
    ['user', expect.stringContaining('<result> Ostwick Marrow')],
  ]);
}, 120_000);

test('P2, P3: what fails for good is absent with the reason after a bounded number of calls; what fails at times is played', async () => {
  const always: Record<string, EndpointReply> = {
    down: { status: 503, body: 'overloaded' },
    garbage: { fault: 'garbage' },
    empty: { fault: 'empty_choice' },
    cut: { fault: 'cut' },
    huge: { fault: 'huge' },
    hang: { fault: 'hang' },
  };
  const once = new Map<string, EndpointReply[]>([
    ['limited', [{ status: 429, headers: { 'retry-after': '1' }, body: 'slow down' }]],
    ['flaky', [{ status: 502, body: 'bad gateway' }, { fault: 'cut' }]],
  ]);
  const askedAtMs = new Map<string, number[]>();
  const { fleet, server } = await startWith((request) => {
    const question = questionOf(request);
    askedAtMs.set(question, [...(askedAtMs.get(question) ?? []), performance.now()]);
    return once.get(question)?.shift() ?? always[question] ?? '<answer>Verland Coast</answer>';
  });
  // Only what never ends is ended by a deadline.
  const limitsOf = (question: string) => ({
    contextTokens: 512,
    maxTurns: 2,
    toolTimeoutMs: 1_000,
    turnTimeoutMs: question === 'hang' ? 4_000 : 90_000,
    rolloutTimeoutMs: 120_000,
  });
  const questions = [...Object.keys(always), ...once.keys()];
  for (const question of questions)
    await fleet.publish(taskOf(question, asking(question, { limits: limitsOf(question) })));
  const details: Record<string, RegExp> = {
    down: /generating turn 0: .*http:.*\/v1\/chat\/completions answered 503: overloaded/,
    garbage: /answered 200 and no JSON/,
    empty: /answered 200 and an empty choice/,
    cut: /cannot be reached/,
    huge: /more than 1048576 bytes/,
    hang: /turn 0 of task hang took longer than 4000 ms/,
  };
  for (const [question, detail] of Object.entries(details)) {
    const result = await fleet.resultOf(question);
    expect(result, question).toMatchObject({ failure: FailureClass.POLICY_UNAVAILABLE, components: {} });
    expect(result.failureDetail, question).toMatch(detail);
  }
  for (const question of once.keys())
    expect(await fleet.resultOf(question), question).toMatchObject({ prediction: 'Verland Coast' });
  // Two retries in place, two deliveries.
  expect(server.calls.filter(({ request }) => questionOf(request) === 'down')).toHaveLength(6);
  const [first = 0, second = 0] = askedAtMs.get('limited') ?? [];
  expect(second - first).toBeGreaterThanOrEqual(1_000);
}, 240_000);

test('a refusal ends the run as what the user has to fix, after one call', async () => {
  const body = '{"error": {"message": "The model `m` does not exist."}}';
  const { fleet, server } = await startWith(() => ({ status: 404, body }));
  await fleet.publish(taskOf('refused'));
  expect(await fleet.resultOf('refused')).toMatchObject({
    failure: FailureClass.POLICY_REFUSED,
    failureDetail: expect.stringMatching(/answered 404: The model `m` does not exist\.; check that model m is served/),
    components: {},
  });
  expect(server.calls).toHaveLength(1);
}, 120_000);

test('a conversation that is too long for the model is its own context overflow', async () => {
  const body = '{"error": {"code": "context_length_exceeded", "message": "too long"}}';
  const { fleet } = await startWith((request) => (turnOf(request) === 0 ? (chain[0] ?? '') : { status: 400, body }));
  await fleet.publish(taskOf('long'));
  expect(await fleet.resultOf('long')).toMatchObject({
    failure: FailureClass.CONTEXT_OVERFLOW,
    components: { exact_match: 0 },
  });
}, 120_000);
