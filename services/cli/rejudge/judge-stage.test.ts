import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { ScoreItemSchema, ScoreSchema, type ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { CancelledError, TransientError } from '#platform/errors.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { judgedScorers } from '#recipe/stage-scorers.ts';
import { judgeStage, type JudgingPorts } from './judge-stage.ts';

const recipe = parseRecipe(
  `
name: graded
model: { path: ./m }
data: { world: {} }
environment: { name: search }
judges: { main: { base_url: http://127.0.0.1:9/v1, model: m } }
scorers: { grade: { kind: grade, judge: main } }
stages:
  - name: held-out
    kind: eval
    limits: { context_tokens: 640, max_new_tokens: 96 }
    rewards: { grade: 1 }
`,
  'r.yaml',
);
const rollouts = ['a', 'b', 'c'] as const;

/** Three answers, with a grade of 1 each or with none. */
async function played(graded: boolean) {
  const predictions = join(await temporaryDirectory('gradus-judge-stage-'), 'predictions.jsonl');
  const lines = rollouts.map((rollout) => ({
    id: `row-${rollout}`,
    prediction: rollout,
    components: graded ? { grade: 1 } : {},
    reward: graded ? 1 : null,
    ...(graded ? { grades: { grade: 'correct' } } : { unscored: { grade: { reason: 'timeout', detail: 'then' } } }),
    environment: {},
    failure: null,
    absent: null,
    truncated: false,
    turns: 1,
    tool_calls: 0,
    model_tokens: 1,
    tags: {},
    rollout,
  }));
  await writeFile(predictions, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const [stage] = recipe.stages;
  if (stage?.kind !== 'eval') throw new TypeError('the recipe has an eval stage');
  return { predictions, judgedStage: { stage, judged: judgedScorers(recipe, stage), predictions } };
}

const portsOf = (score: JudgingPorts['score'], signal: AbortSignal): JudgingPorts => ({
  score,
  signal,
  results: new Map(
    rollouts.map((rollout) => [rollout, [create(RolloutResultSchema, { taskId: rollout, prediction: rollout })]]),
  ),
  stored: async ({ taskId }) => create(ScoreItemSchema, { id: taskId, judged: [{ name: 'grade' }] }),
  onJudged: () => {},
});
const graded = (value: number) =>
  create(ScoreSchema, {
    components: { grade: value },
    judgements: { grade: { grade: value === 1 ? 'correct' : 'incorrect' } },
  });

async function judge(which: 'absent' | 'all', score: (item: ScoreItem) => Promise<number>, signal: AbortSignal) {
  const { predictions, judgedStage } = await played(which === 'all');
  const ports = portsOf(async (item) => graded(await score(item)), signal);
  const { rows, ...rest } = await judgeStage(recipe, judgedStage, { predictions, which }, ports);
  return { ...rest, samples: rows.flatMap(({ samples }) => samples) };
}

it('a judging that is stopped gives what was judged until then, and the others are without a judgement', async () => {
  for (const which of ['absent', 'all'] as const) {
    const stopping = new AbortController();
    const { stopped, tally, samples } = await judge(
      which,
      async ({ id }) => {
        if (id === 'a') return 0;
        if (id === 'c') stopping.abort(new CancelledError('cancelled', 'stopped'));
        await new Promise((_resolve, reject) => {
          const cancel = (): void => reject(new CancelledError('cancelled', 'stopped'));
          if (stopping.signal.aborted) cancel();
          else stopping.signal.addEventListener('abort', cancel);
        });
        return 1;
      },
      stopping.signal,
    );
    expect(stopped).toMatchObject({ code: 'cancelled' });
    expect(tally).toMatchObject({ asked: 3, judged: 1, absent: 2 });
    expect(samples.map(({ values }) => values)).toEqual([{ grade: 0, reward: 0 }, {}, {}]);
    const { reason } = { absent: { reason: 'timeout' }, all: { reason: 'cancelled' } }[which];
    expect(samples.map(({ unscored }) => unscored['grade']?.reason)).toEqual([undefined, reason, reason]);
  }
});

it('a score that fails is an absence with its reason, and the others are judged', async () => {
  const { stopped, tally, samples } = await judge(
    'all',
    async ({ id }) => {
      if (id === 'b') throw new TransientError('unavailable', 'the connection broke');
      return 0;
    },
    new AbortController().signal,
  );
  expect(stopped).toBeUndefined();
  expect(tally).toMatchObject({ asked: 3, judged: 2, absent: 1 });
  expect(samples.map(({ values }) => values['grade'])).toEqual([0, undefined, 0]);
  expect(samples[1]?.unscored).toMatchObject({ grade: { reason: 'unavailable', detail: 'the connection broke' } });
  expect(samples[1]?.grades).toEqual({});
});
