import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { FinishReason, SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { concatenateTokens, countTokens } from '#trajectory/segments.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { turnSeed } from '../../services/rollout/episode/generate-turn.ts';
import type { ScriptedAnswer, ScriptedRequest } from '../fakes/scripted-engine.ts';
import { type RolloutFleet, startRolloutFleet, tokenizerPath } from './fleet.ts';
import { brontley, taskOf } from './task.ts';
import { goldRow } from '../fixtures/gold-item.ts';

const search = (query: string): string => `<tool>{"name": "websearch", "args": {"query": "${query}"}}</tool>`;
const scrape = (id: string): string => `<tool>{"name": "scrape", "args": {"id": "${id}"}}</tool>`;
const answer = (text: string): string => `<answer> ${text} </answer>`;

/** What the policy writes, by the name of the task before the dash and the turn; the last line repeats. */
const scripts: Readonly<Record<string, readonly ScriptedAnswer[]>> = {
  chain: [search('Halvard Brontley'), scrape('1733'), answer('Verland Coast')],
  wrong: [answer('Ostwick Marrow')],
  hack: ['<answer>Ostwick Marrow</answer><answer>Verland Coast</answer>', answer('Ostwick Marrow or Verland Coast')],
  brokenXml: ['<tool>{"name": "websearch", "args": {"query": "x"}}', answer('Verland Coast')],
  brokenJson: ['<tool>{"name": "websearch", "args": </tool>', answer('Verland Coast')],
  unknownTool: ['<tool>{"name": "calculator", "args": {"query": "1"}}</tool>', answer('Verland Coast')],
  twoCalls: [`${search('a')}${search('b')}`, answer('Verland Coast')],
  emptyAnswer: [search('Halvard Brontley'), '<answer> </answer>', answer('Verland Coast')],
  nothing: [''],
  prose: ['I think that it is Verland Coast.'],
  endless: ['and then '.repeat(400)],
  endlessContext: ['and then '.repeat(400)],
  bigResult: [scrape('0007'), answer('Verland Coast')],
  loop: [search('Halvard Brontley')],
  noSuchId: [scrape('9999'), answer('Verland Coast')],
  mismatch: [{ text: answer('Verland Coast'), corrupt: 'digest' }],
  badLogprobs: [{ text: answer('Verland Coast'), corrupt: 'logprobs' }],
  noVersion: [{ text: answer('Verland Coast'), corrupt: 'versions' }],
  slow: [{ text: answer('Verland Coast'), delayMs: 60_000 }],
};

function script({ sessionId, turn }: ScriptedRequest): ScriptedAnswer {
  const lines = scripts[sessionId.split('-')[0] ?? ''] ?? [answer('nobody knows')];
  return lines[Math.min(turn, lines.length - 1)] ?? '';
}

describe('a rollout', () => {
  let fleet: RolloutFleet;
  beforeAll(async () => {
    fleet = await startRolloutFleet({ script });
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  const play = async (taskId: string, overrides = {}) => {
    await fleet.publish(taskOf(taskId, overrides));
    return await fleet.resultOf(taskId);
  };

  it('is scored by the pages that its tools brought and by the tokens that it wrote, where its task asks for that', async () => {
    const result = await play('chain-3', {
      row: goldRow({ ...brontley, supportTitles: ['Halvard Brontley', 'No such page'] }),
      scorers: [
        { name: 'gold_found', settingsJson: '{"mode":"share"}' },
        { name: 'length_budget', settingsJson: '{"max_tokens":1,"slack_tokens":1000}' },
      ],
      composition: {
        weights: [
          { name: 'gold_found', weight: 1 },
          { name: 'length_budget', weight: 1 },
        ],
      },
    });
    expect(result.components['gold_found']).toBe(0.5);
    expect(result.components['length_budget']).toBeCloseTo(1 - (result.modelTokens - 1) / 1000, 12);
    expect(result.reward).toBeCloseTo(0.5 + 1 - (result.modelTokens - 1) / 1000, 12);
  });

  it('carries the detectors of reward hacking that fired, and its composition reads them', async () => {
    const composition = {
      weights: [{ name: 'f1', weight: 1 }],
      penalties: [
        { name: 'candidate_list', size: 0.5 },
        { name: 'giant_answer', size: 1 },
      ],
    };
    const result = await play('hack-1', { scorers: [{ name: 'f1' }], composition });
    expect(result.detectors).toEqual({ many_answers: 0.5, candidate_list: 0.5 });
    expect(result.reward).toBeCloseTo((result.components['f1'] ?? NaN) - 0.25, 12);
    expect((await play('chain-14')).detectors).toEqual({});
  });

  it.each([
    ['an empty answer is not a call', 'emptyAnswer', 1, 0],
    ['a call of broken JSON is one that failed', 'brokenJson', 1, 1],
    ['a tool that does not exist is a call that failed', 'unknownTool', 1, 1],
    ['a document that does not exist is a call that failed', 'noSuchId', 1, 1],
  ])('counts calls in its metric as its scorer does: %s', async (_, name, toolCalls, toolFailures) => {
    const result = await play(`${name}-calls`);
    expect(result).toMatchObject({ toolCalls, toolFailures });
    expect(result.components['tool_success']).toBe((toolCalls - toolFailures) / toolCalls);
  });

  it('P4: leaves a trajectory whose segments are the sequence that the engine saw, to the token', async () => {
    const result = await play('chain-1');
    expect(result).toMatchObject({
      failure: FailureClass.UNSPECIFIED,
      prediction: 'Verland Coast',
      reward: 1.5,
      turns: 3,
      toolCalls: 2,
      toolFailures: 0,
      workerId: 'worker-test',
    });
    expect(result.components).toMatchObject({ exact_match: 1, tool_success: 1 });

    const trajectory = await fleet.trajectoryOf(result);
    checkTrajectory(trajectory);
    const { PROMPT, MODEL, ENVIRONMENT } = SegmentKind;
    expect(trajectory.segments.map(({ kind }) => kind)).toEqual([
      PROMPT,
      MODEL,
      ENVIRONMENT,
      MODEL,
      ENVIRONMENT,
      MODEL,
    ]);
    const tokens = concatenateTokens(trajectory.segments);
    const last = fleet.engine.generated.findLast(({ sessionId }) => sessionId === 'chain-1');
    expect(tokens.slice(0, last?.request.tokenIds.length)).toEqual(last?.request.tokenIds);

    const tokenizer = await loadTokenizer(tokenizerPath);
    expect(trajectory.tokenizerHash).toBe(tokenizer.hash);
    for (const segment of trajectory.segments) expect(segment.tokenIds).toEqual(tokenizer.encode(segment.text));
    expect(countTokens(trajectory.segments).model).toBe(result.modelTokens);
    expect(result.promptTokens + result.modelTokens + result.environmentTokens).toBe(tokens.length);
    expect(trajectory.segments[2]?.text).toContain('[0042] Halvard Brontley: ');
    expect(trajectory.segments[4]?.text).toContain('Ostwick Marrow is a town in Verland Coast.');
  });

  it('P8: draws turn t with a seed that follows from the task and t alone', async () => {
    await play('chain-2', { sampling: { temperature: 1, maxNewTokens: 64, seed: 99n } });
    const seeds = fleet.engine.generated
      .filter(({ sessionId }) => sessionId === 'chain-2')
      .map(({ request }) => request.sampling?.seed);
    expect(seeds).toEqual([turnSeed(99n, 0), turnSeed(99n, 1), turnSeed(99n, 2)]);
    expect(new Set([...seeds, turnSeed(100n, 0), turnSeed(98n, 1)]).size).toBe(5);
  });

  it('P1: leaves the queue once its result is stored', async () => {
    await play('chain-3');
    await expect.poll(() => fleet.tasksLeft()).toBe(0);
  });

  it('gets a reward of 0 for a wrong answer, which is not the same as none', async () => {
    expect(await play('wrong-1')).toMatchObject({
      failure: FailureClass.UNSPECIFIED,
      reward: 0,
      prediction: 'Ostwick Marrow',
    });
  });

  it.each(['brokenXml', 'brokenJson', 'unknownTool', 'twoCalls', 'noSuchId'])(
    'goes on after %s with a notice to the policy, and is rewarded as it behaved',
    async (name) => {
      const result = await play(`${name}-1`);
      expect(result).toMatchObject({ failure: FailureClass.UNSPECIFIED, prediction: 'Verland Coast', turns: 2 });
      expect(result.reward).toBeGreaterThanOrEqual(1);
      expect(result.components['tool_success']).toBeLessThan(1);
      const trajectory = await fleet.trajectoryOf(result);
      checkTrajectory(trajectory);
      expect(trajectory.segments[2]?.text).toMatch(/<result> error: /);
    },
  );

  it.each(['nothing', 'prose'])('ends as malformed when the policy writes %s again and again', async (name) => {
    const result = await play(`${name}-1`);
    expect(result).toMatchObject({ failure: FailureClass.MALFORMED_TURN, reward: 0, turns: 3 });
    expect(result.prediction).toBeUndefined();
    checkTrajectory(await fleet.trajectoryOf(result));
  });

  it('cuts endless text at max_new_tokens', async () => {
    const result = await play('endless-1', { sampling: { temperature: 1, maxNewTokens: 20, seed: 1n } });
    expect(result).toMatchObject({ failure: FailureClass.TRUNCATED_TURN, truncated: true, turns: 3, modelTokens: 60 });
    const models = (await fleet.trajectoryOf(result)).segments.filter(({ kind }) => kind === SegmentKind.MODEL);
    expect(models.map(({ finishReason }) => finishReason)).toEqual(Array(3).fill(FinishReason.LENGTH));
  });

  it('cuts endless text at the context limit', async () => {
    const result = await play('endlessContext-1', { sampling: { temperature: 1, maxNewTokens: 4000, seed: 1n } });
    expect(result).toMatchObject({ failure: FailureClass.CONTEXT_OVERFLOW, truncated: true, turns: 1 });
    expect(result.promptTokens + result.modelTokens).toBe(512);
    checkTrajectory(await fleet.trajectoryOf(result));
  });

  it('P4: ends with an overflow when a tool result does not fit, which is then not part of the sequence', async () => {
    const result = await play('bigResult-1');
    expect(result).toMatchObject({
      failure: FailureClass.CONTEXT_OVERFLOW,
      truncated: true,
      turns: 1,
      environmentTokens: 0,
      reward: 0.5,
    });
    const trajectory = await fleet.trajectoryOf(result);
    checkTrajectory(trajectory);
    expect(trajectory.segments.map(({ kind }) => kind)).toEqual([SegmentKind.PROMPT, SegmentKind.MODEL]);
  });

  it('ends with an overflow when the prompt alone does not fit', async () => {
    const limits = { ...taskOf('chain-4').limits, contextTokens: 8 };
    expect(await play('chain-4', { limits })).toMatchObject({
      failure: FailureClass.CONTEXT_OVERFLOW,
      truncated: true,
      turns: 0,
      modelTokens: 0,
      reward: 0,
    });
  });

  it('ends at the turn limit', async () => {
    expect(await play('loop-1')).toMatchObject({ failure: FailureClass.TURN_LIMIT, turns: 6, toolCalls: 6 });
  });

  it.each([
    ['badLogprobs', /engine 127\.0\.0\.1:\d+ gave \d+ logprobs for \d+ tokens/],
    ['mismatch', /engine 127\.0\.0\.1:\d+ wrote after another sequence/],
    ['noVersion', /engine 127\.0\.0\.1:\d+ did not say which policy version wrote/],
  ])(
    'P2, P4: an engine with a %s is named by the gateway: tried again, then absent, never a reward',
    async (name, detail) => {
      const result = await play(`${name}-1`);
      const absent = { failure: FailureClass.POLICY_UNAVAILABLE, trajectorySequence: 0n, components: {} };
      expect(result).toMatchObject(absent);
      expect(result.reward).toBeUndefined();
      expect(result.failureDetail).toMatch(detail);
    },
  );

  it('P3: a turn over its deadline is stopped on the engine and belongs to the policy service', async () => {
    const limits = { contextTokens: 512, maxTurns: 6, toolTimeoutMs: 20, turnTimeoutMs: 50, rolloutTimeoutMs: 5000 };
    const result = await play('slow-1', { limits });
    expect(result).toMatchObject({
      failure: FailureClass.POLICY_UNAVAILABLE,
      failureDetail: expect.stringContaining('took longer than 50 ms'),
    });
    expect(result.reward).toBeUndefined();
    await expect.poll(() => fleet.engine.counts().running).toBe(0);
  });

  it('P3: a rollout over its deadline is absent', async () => {
    const limits = { contextTokens: 512, maxTurns: 6, toolTimeoutMs: 20, turnTimeoutMs: 149, rolloutTimeoutMs: 150 };
    const result = await play('slow-2', { limits });
    expect([FailureClass.ROLLOUT_TIMEOUT, FailureClass.POLICY_UNAVAILABLE]).toContain(result.failure);
    expect(result.reward).toBeUndefined();
  });

  it('moves what is not a task to the dead letters, with the reason, and goes on', async () => {
    await fleet.publishRaw(Buffer.from('this is not a task'));
    await expect
      .poll(async () => (await fleet.deadLetters()).map(({ reason }) => reason))
      .toContainEqual(expect.stringMatching(/task of 18 bytes is not a gradus\.rollout\.v1\.RolloutTask/));
    expect(await play('chain-5')).toMatchObject({ prediction: 'Verland Coast' });
  });

  it.each([
    ['an unknown environment', { environment: 'chess' }, /environment 'chess' is unknown; there are: .*search/],
    ['options that the environment refuses', { environmentOptionsJson: '{"top_k": 0}' }, /environment search: top_k/],
    ['options that are not JSON', { environmentOptionsJson: '{' }, /environment_options_json is not JSON/],
    [
      'deadlines in the wrong order',
      { limits: { contextTokens: 9, maxTurns: 1, toolTimeoutMs: 9, turnTimeoutMs: 5, rolloutTimeoutMs: 6 } },
      /tool_timeout_ms is 9; it must be less than turn_timeout_ms \(5\)/,
    ],
    ['no row', { row: { id: '' } }, /row is missing, or has no id/],
    ['a row that is not JSON', { row: { ...goldRow(brontley), dataJson: '{' } }, /row\.data_json is not JSON/],
    ['an unknown scorer', { scorers: [{ name: 'charm' }] }, /charm/],
    ['no composition', { composition: undefined }, /composition is missing/],
    [
      'a composition of what nobody scores',
      { composition: { weights: [{ name: 'charm', weight: 1 }] } },
      /the composition reads charm, which the reward service neither gave nor called absent/,
    ],
  ])('P2: answers the asker about %s at once, without a reward', async (name, overrides, reason) => {
    const result = await play(`chain-${name.replaceAll(' ', '')}`, overrides);
    expect(result).toMatchObject({ failure: FailureClass.INTERNAL, failureDetail: expect.stringMatching(reason) });
    expect(result.reward).toBeUndefined();
  });
});
