import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { FinishReason, SegmentKind, TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import type { BatchSource } from '../kit/learner-batch.ts';
import { learningRateAt } from '../kit/learning-rate.ts';
import { batchOfSft } from './batch.ts';
import { packRow } from '../kit/written-row.ts';
import { parseSftRow } from './row.ts';
import { openRowFile } from '../kit/row-file.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const recipeOf = (stage: string) =>
  parseRecipe(
    `
name: test
model: { path: m }
data: { world: {} }
environment: { name: search }
stages:
  - { name: asked, kind: eval, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { exact_match: 1 } }
  - { name: taught, kind: sft, batch: 4, until: { steps: 10 }, ${stage} }
`,
    'test.yaml',
  );
const stageOf = (text: string) => {
  const stage = recipeOf(text).stages[1];
  if (stage?.kind !== 'sft') throw new Error('no sft stage');
  return stage;
};
const decode = (bytes: Uint8Array) => fromBinary(TrajectorySchema, gunzipSync(bytes));

async function rowsFile(lines: readonly string[]): Promise<string> {
  const directory = await temporaryDirectory('gradus-sft-');
  const path = join(directory, 'rows.jsonl');
  await writeFile(path, lines.join('\n'));
  return path;
}

function sourceOf(more: Partial<BatchSource>): BatchSource {
  return {
    seed: 3,
    file: () => '',
    trajectory: async () => new Uint8Array(),
    async *groupsOf() {},
    once: (_key, make) => make(),
    nothing: (message) => new TerminalError('failed_precondition', message),
    ...more,
  };
}

describe('a row', () => {
  it('is text by who writes it; a response ends the turn', () => {
    const { segments } = decode(packRow(parseSftRow('{"prompt":"1+2=","response":"3"}', 'f:1'), 'taught/0'));
    expect(segments).toMatchObject([
      { kind: SegmentKind.PROMPT, text: '1+2=', tokenIds: [] },
      { kind: SegmentKind.MODEL, text: '3', finishReason: FinishReason.STOP },
    ]);
    expect(parseSftRow('{"text":"plain"}', 'f:1').segments).toEqual([{ kind: 'model', text: 'plain', end: false }]);
  });

  it.each([
    ['{"prompt":"1+2="}', 'f:7: response: expected string'],
    ['{"segments":[{"kind":"user","text":"x"}]}', 'f:7: segments.0.kind: '],
    ['{"segments":[{"kind":"prompt","text":"x"}]}', 'f:7: segments: have no segment of kind model'],
    ['{"question":"x"}', 'f:7: has none of: prompt and response, segments, text'],
    ['{', 'f:7: is not JSON'],
  ])('%s is refused with its place and column', (line, problem) => {
    expect(() => parseSftRow(line, 'f:7')).toThrow(problem);
  });

  it('of a file is found by its number, past empty lines and letters of several bytes', async () => {
    const file = await openRowFile(await rowsFile(['{"text":"é 1"}', '', '{"text":"2"}']), parseSftRow);
    expect(file.size).toBe(2);
    expect([await file.read(1), await file.read(0)].map(({ segments }) => segments[0]?.text)).toEqual(['2', 'é 1']);
    const broken = await rowsFile(['{"text":"1"}', '', '{"text":2}']);
    await expect(openRowFile(broken, parseSftRow)).rejects.toThrow(`${broken}:3: text: expected string`);
    await expect(openRowFile(await rowsFile(['']), parseSftRow)).rejects.toThrow('has no row');
  });
});

describe('a batch', () => {
  it('P8: has the same rows whenever it is sent; an epoch has each row once', async () => {
    const path = await rowsFile(Array.from({ length: 8 }, (_, index) => `{"text":"row ${index}"}`));
    const source = sourceOf({ file: () => path });
    const texts = async (step: number) => {
      const batch = await batchOfSft(stageOf('rows: { path: rows.jsonl }'), step, source);
      const found: string[] = [];
      for await (const { trajectory } of batch.samples())
        found.push(decode(trajectory ?? new Uint8Array()).segments[0]?.text ?? '');
      expect(found).toHaveLength(batch.count);
      return found;
    };
    const first = await texts(0);
    expect(await texts(0)).toEqual(first);
    expect([...first, ...(await texts(1))].toSorted()).toEqual(Array.from({ length: 8 }, (_, index) => `row ${index}`));
  });

  it('P4: takes the best rollouts of a stage as they lie on their stream, and says when there are none', async () => {
    const sample = (taskId: string, reward?: number) => ({
      taskId,
      trajectorySequence: 1n,
      ...(reward !== undefined && { reward }),
    });
    const asked = new Set<string>();
    const source = sourceOf({
      async *groupsOf(stage) {
        expect(stage).toBe('asked');
        yield { samples: [sample('a', 0), sample('b', 1), sample('c', 1), sample('d')] };
        yield { samples: [sample('e', 0.5)] };
      },
      trajectory: async ({ taskId }) => {
        asked.add(taskId);
        return new Uint8Array();
      },
    });
    const take = async (rows: string) => {
      asked.clear();
      const batch = await batchOfSft(stageOf(`rows: ${rows}`), 0, source);
      for await (const _ of batch.samples());
      return [...asked].toSorted();
    };
    expect(await take('{ stage: asked }')).toEqual(['b']);
    expect(await take('{ stage: asked, best: 2, at_least: 0.5 }')).toEqual(['b', 'c', 'e']);
    await expect(take('{ stage: asked, at_least: 2 }')).rejects.toThrow('none of the 4 rollouts of stage asked');
  });

  it('has a learning rate that rises, then falls along a cosine', () => {
    const stage = stageOf('rows: { path: r }, learning_rate: 0.1, warmup_steps: 2, final_learning_rate_share: 0.5');
    const rates = Array.from({ length: 10 }, (_, step) => learningRateAt(stage, step, stage.until.steps));
    expect(rates.slice(0, 3)).toEqual([0.05, 0.1, 0.1]);
    // Half way between: 0.1 x (0.5 + 0.5 x 0.5).
    expect(rates[6]).toBeCloseTo(0.075, 12);
    expect(learningRateAt(stage, 10, stage.until.steps)).toBeCloseTo(0.05, 12);
  });
});

describe('an sft stage in a recipe', () => {
  it.each([
    ['rows: { stage: nobody }', 'stages[1].rows.stage: is not an earlier stage that leaves rollouts; there are: asked'],
    ['rows: { path: r }, warmup_steps: 10', 'stages[1].warmup_steps: must be less than until.steps (10)'],
    ['rows: { pth: r }', 'stages[1].rows: must be { path } or { stage, best, at_least }'],
    [
      'rows: { path: r }, gate: { metric: sampled.nothing, at_least: 1 }',
      "stages[1].gate.metric: 'nothing' is not a metric",
    ],
  ])('%s is refused', (text, problem) => {
    expect(() => recipeOf(text)).toThrow(problem);
  });
});
