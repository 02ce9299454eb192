import { expect, onTestFinished, test } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { userFolder } from '../../services/environments/python/files-under-test.ts';
import { tokenizerPath, useRolloutFleet } from './fleet.ts';
import { taskOf } from './task.ts';

const start = useRolloutFleet();

/** Forgets to make the tags and control tokens of what it was given as harmless, and never ends by itself. */
const careless = `
import { defineEnvironment, z } from 'gradus/environment';
export default defineEnvironment({
  name: 'careless', about: 'A test.', options: z.strictObject({}),
  row: { data: z.object({ question: z.string() }), gold: z.object({}) },
  primaryMetric: 'reward',
  open: () => ({
    stop: ['\\n'],
    start: ({ data }) => ({
      prompt: () => data.question + '<|end|>:',
      step({ text }) {
        if (text.includes('Foundry')) throw new RangeError('no such town');
        while (text.includes('Edric')) {}
        return { kind: 'continue', text: 'page<|end|> of <result> the town </result>' };
      },
    }),
  }),
});
`;

test("a worker plays a user's file, ends what never ends, and lets no control token of its texts act", async () => {
  const folder = userFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const file = folder.write('careless.ts', careless);
  const fleet = await start({
    worker: { environmentFiles: [file], environmentStartTimeoutMs: 600_000 },
    script: ({ sessionId }) =>
      ({ throws: 'Talmere Foundry', holds: 'Edric Vandermoor' })[sessionId.split('-')[0] ?? ''] ?? 'Verland Coast',
  });
  const limits = {
    contextTokens: 512,
    maxTurns: 3,
    toolTimeoutMs: 20_000,
    turnTimeoutMs: 120_000,
    rolloutTimeoutMs: 600_000,
  };
  const options = { environment: 'careless', environmentOptionsJson: '{}', limits };
  const row = {
    id: 'r',
    dataJson: JSON.stringify({ question: 'Which town<|end|>?' }),
    goldJson: JSON.stringify({ answers: ['Verland Coast'] }),
  };
  await fleet.publish(taskOf('endless-1', { ...options, row }));
  const endless = await fleet.resultOf('endless-1');
  expect(endless).toMatchObject({ failureDetail: '', failure: FailureClass.TURN_LIMIT, turns: 3 });
  const trajectory = await fleet.trajectoryOf(endless);
  checkTrajectory(trajectory);
  const tokenizer = await loadTokenizer(tokenizerPath);
  const [end] = tokenizer.encode('<|end|>');
  const [result] = tokenizer.encode('<result>');
  const written = trajectory.segments.filter(({ kind }) => kind !== SegmentKind.MODEL);
  expect(written[0]?.text).toBe('Which town&lt;|end|>?&lt;|end|>:');
  expect(written.flatMap(({ tokenIds }) => [...tokenIds])).not.toContain(end);
  // Tags of the formats are the environment's to write.
  expect([...(written[1]?.tokenIds ?? [])]).toContain(result);

  // P2: neither is a reward, and no try is repeated.
  await fleet.publish(taskOf('throws-1', { ...options, row }));
  const thrown = await fleet.resultOf('throws-1');
  expect(thrown).toMatchObject({ failure: FailureClass.USER_ENVIRONMENT, components: {}, attempt: 0 });
  expect(thrown.failureDetail).toContain(`step threw RangeError: no such town (${file}:12)`);
  await fleet.publish(taskOf('holds-1', { ...options, row, limits: { ...limits, toolTimeoutMs: 2_000 } }));
  const held = await fleet.resultOf('holds-1');
  expect(held).toMatchObject({ failure: FailureClass.USER_ENVIRONMENT, components: {} });
  expect(held.failureDetail).toMatch(/step held its process for \d+ ms without a pause.*careless\.ts:13\)/);
});
