import { afterEach, describe, expect, it } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { unpackScore } from '#trajectory/recorded-score.ts';
import { startScriptedJudge, type ScriptedJudgeOptions } from '../fakes/scripted-judge.ts';
import { startRolloutFleet, type FleetOptions } from './fleet.ts';
import { taskOf } from './task.ts';

const search = '<tool>{"name": "websearch", "args": {"query": "Halvard Brontley"}}</tool>';
const answer = (text: string): string => `<answer> ${text} </answer>`;
const scripts: Readonly<Record<string, readonly string[]>> = {
  good: [search, answer('Verland Coast quality=0.9')],
  broken: ['<tool>{"name": "websearch", "args": </tool>', answer('Verland Coast quality=0.9')],
  bad: [answer('Ostwick Marrow quality=0.1')],
  rules: [answer('Verland Coast')],
};

/** Correctness from a judge, half a point off for a call that failed, nothing for a turn that is not well-formed, at most 1. */
const judged = {
  scorers: [{ name: 'exact_match', recordedOnly: true }, { name: 'tool_success' }, { name: 'format' }],
  judged: [
    { name: 'correct', judge: 'main', method: { case: 'grade', value: { notAttempted: 0 } } },
    {
      name: 'prose',
      judge: 'main',
      method: { case: 'rubric', value: { criteria: [{ name: 'brief', description: 'Short.', weight: 1 }] } },
    },
  ],
  composition: {
    weights: [
      { name: 'tool_success', weight: 1 },
      { name: 'correct', weight: 3 },
    ],
    normalize: true,
    penalties: [{ name: 'prose', size: 0.5 }],
    gates: [{ name: 'format', atLeast: 1, otherwise: -1 }],
    clipHigh: 0.25,
  },
} satisfies Parameters<typeof taskOf>[1];

const shortLimits = {
  contextTokens: 512,
  maxTurns: 6,
  toolTimeoutMs: 500,
  turnTimeoutMs: 7_000,
  rolloutTimeoutMs: 8_000,
};

describe('a rollout with judged components and a composition', () => {
  const cleanups: AsyncDisposable[] = [];
  afterEach(async () => {
    for (let next = cleanups.pop(); next !== undefined; next = cleanups.pop()) await next[Symbol.asyncDispose]();
  });

  async function start(judgeOptions: ScriptedJudgeOptions, fleetOptions: Partial<FleetOptions> = {}) {
    const judge = await startScriptedJudge(judgeOptions);
    cleanups.push(judge);
    const fleet = await startRolloutFleet({
      script: ({ sessionId, turn }) => {
        const lines = scripts[sessionId.split('-')[0] ?? ''] ?? [];
        return lines[Math.min(turn, lines.length - 1)] ?? '';
      },
      reward: {
        judges: {
          main: {
            baseUrl: judge.baseUrl,
            model: 'm',
            attempts: 1,
            retryBaseMs: 0,
            circuitMinCalls: 50,
            cacheMebibytes: 1,
          },
        },
      },
      ...fleetOptions,
    });
    cleanups.push(fleet);
    return { judge, fleet };
  }

  it('has the reward that the composition makes of rules and judges, and every component next to it', async () => {
    const { fleet } = await start({});
    for (const name of ['good', 'broken', 'bad']) await fleet.publish(taskOf(`${name}-1`, judged));

    const good = await fleet.resultOf('good-1');
    expect(good.components).toMatchObject({ correct: 1, prose: 0.9, tool_success: 1, format: 1, exact_match: 0 });
    // (3 x 1 + 1 x 1) / 4 - 0.5 x 0.9 = 0.55, clipped.
    expect(good.reward).toBe(0.25);

    const broken = await fleet.resultOf('broken-1');
    expect(broken.components).toMatchObject({ correct: 1, format: 0.5 });
    expect(broken.reward).toBe(-1);

    const bad = await fleet.resultOf('bad-1');
    expect(bad.components).toMatchObject({ correct: 0, prose: 0.1, tool_success: 0, format: 1 });
    expect(bad.reward).toBeCloseTo(-0.05, 12);
  });

  it('P1: leaves what was scored in its trajectory, before its result', async () => {
    const { judge, fleet } = await start({});
    await fleet.publish(taskOf('good-1', judged));
    const result = await fleet.resultOf('good-1');
    const kept = unpackScore(await fleet.trajectoryOf(result));
    expect(kept?.item).toMatchObject({
      row: taskOf('x').row,
    });
    expect(kept?.item.turns.map(({ text }) => text)).toEqual(scripts['good']);
    expect(kept?.score.components).toEqual(result.components);
    expect([...judge.replies.keys()]).toContain(kept?.score.judgements['correct']?.replyId);
  });

  it('P2: waits for a judge that is unavailable longer than retries last, and keeps the tokens that it is scored for', async () => {
    let failures = 4;
    const { fleet } = await start({
      script: ({ messages }) => {
        if ((messages[0]?.content ?? '').startsWith('You grade') && failures-- > 0) return 'server_error';
        return (messages[0]?.content ?? '').startsWith('You grade') ? 'A' : '{"brief": 0.5}';
      },
    });
    await fleet.publish(taskOf('good-1', judged));
    const result = await fleet.resultOf('good-1');
    expect(result).toMatchObject({ failure: FailureClass.UNSPECIFIED, reward: 0.25 });
    expect(fleet.engine.generated.filter(({ sessionId }) => sessionId === 'good-1')).toHaveLength(2);
  });

  it('P2: is absent, not 0, when the judge cannot be read again and again', async () => {
    const { fleet } = await start({ script: () => 'garbage' }, { worker: { maxDeliveries: 2 } });
    await fleet.publish(taskOf('good-1', judged));
    const result = await fleet.resultOf('good-1');
    expect(result).toMatchObject({
      failure: FailureClass.REWARD_UNAVAILABLE,
      trajectorySequence: 0n,
      failureDetail: expect.stringMatching(
        /no reward without correct \(unparsable: the reply "I would rather not say\." cannot be read, nor could the one before\)/,
      ),
    });
    expect(result.reward).toBeUndefined();
  });

  it('keeps nobody waiting that rules score while its judge thinks', async () => {
    const thought = Promise.withResolvers<string>();
    const { judge, fleet } = await start({ script: () => thought.promise });
    await fleet.publish(
      taskOf('good-1', {
        ...judged,
        judged: judged.judged.slice(0, 1),
        composition: { weights: judged.composition.weights },
      }),
    );
    await expect.poll(() => judge.requests.length, { timeout: 20_000 }).toBeGreaterThan(0);
    await fleet.publish(taskOf('rules-1'));
    expect(await fleet.resultOf('rules-1')).toMatchObject({ reward: 1 });
    thought.resolve('A');
    expect(await fleet.resultOf('good-1')).toMatchObject({ reward: 4 });
    expect(fleet.results.map(({ taskId }) => taskId)).toEqual(['rules-1', 'good-1']);
  });

  it('P2: says what it was waiting for when the judge stays unavailable', async () => {
    const { fleet } = await start({ script: () => 'server_error' }, { worker: { maxDeliveries: 1 } });
    await fleet.publish(taskOf('bad-1', { ...judged, limits: shortLimits }));
    const result = await fleet.resultOf('bad-1', 60_000);
    expect(result.failure).toBe(FailureClass.ROLLOUT_TIMEOUT);
    expect(result.reward).toBeUndefined();
    expect(result.failureDetail).toMatch(
      /longer than 8000 ms; scoring: no reward without correct \(unavailable: judge 'main' answered 503: overloaded \(attempt 1 of 1\)\)/,
    );
  });

  it('P3: waits for its judge no longer than its own deadline', async () => {
    const { fleet } = await start({ script: () => 'hang' }, { worker: { maxDeliveries: 1 } });
    await fleet.publish(taskOf('bad-1', { ...judged, limits: shortLimits }));
    const result = await fleet.resultOf('bad-1');
    expect(result.failure).toBe(FailureClass.ROLLOUT_TIMEOUT);
    expect(result.failureDetail).toBe('the rollout took longer than 8000 ms; it was played, and waited for its score');
    expect(result.reward).toBeUndefined();
  });
});
