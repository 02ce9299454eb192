import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startRewardUnderTest } from '../service-under-test.ts';
import { itemFor, scorerFolder } from './scorers-under-test.ts';

/** The prediction says what goes wrong; anything else scores its length in tenths. */
const typescript = `
export default {
  async score({ prediction }) {
    const held = [];
    switch (prediction) {
      case 'throw': throw new Error('no such luck');
      case 'hang': for (;;);
      case 'wait': return await new Promise(() => {});
      case 'print': for (let n = 0; n < 5000; n += 1) { console.log('x'.repeat(1000)); console.error('y'.repeat(1000)); } return 0.5;
      case 'exit': process.exit(0);
      case 'abort': process.abort();
      case 'heap': for (;;) held.push(new Array(1000).fill(held.length));
      case 'buffers': for (;;) held.push(Buffer.alloc(4_000_000, 1));
      case 'text': return 'a lot';
      case 'nothing': return undefined;
      case 'nan': return NaN;
      case 'infinite': return -Infinity;
      case 'two': return 2;
      case 'below': return -0.001;
      case 'truth': return true;
      default: return prediction.length / 10;
    }
  },
};
`;
const python = `
import os, sys, ctypes, time

def compute_score(data_source, solution_str, ground_truth, extra_info):
    held = []
    match extra_info["prediction"]:
        case "throw": raise ValueError("no such luck")
        case "hang":
            while True: pass
        case "wait": time.sleep(1000)
        case "print":
            for _ in range(5000):
                print("x" * 1000)
                print("y" * 1000, file=sys.stderr)
            return 0.5
        case "exit": sys.exit(0)
        case "abort": os.abort()
        case "segfault": ctypes.string_at(0)
        case "heap":
            while True: held.append([0] * 10_000)
        case "text": return "a lot"
        case "nothing": return None
        case "nan": return float("nan")
        case "infinite": return float("-inf")
        case "two": return 2
        case "below": return -0.001
        case "truth": return True
        case "dictionary": return {"score": 0.25, "acc": 1}
        case "numpy": return type("Half", (), {"__float__": lambda self: 0.5})()
        case answer: return len(answer) / 10
`;

type Case = readonly [prediction: string, outcome: number | string];

const either: readonly Case[] = [
  ['throw', 'threw'],
  ['hang', 'timeout'],
  ['wait', 'timeout'],
  ['print', 0.5],
  ['exit', 'crashed'],
  ['abort', 'crashed'],
  ['heap', 'out_of_memory'],
  ['text', 'unparsable'],
  ['nothing', 'unparsable'],
  ['nan', 'out_of_range'],
  ['infinite', 'out_of_range'],
  ['two', 'out_of_range'],
  ['below', 'out_of_range'],
  ['truth', 1],
];
const cases = {
  typescript: [...either, ['buffers', 'out_of_memory']],
  python: [...either, ['segfault', 'crashed'], ['dictionary', 0.25], ['numpy', 0.5]],
} satisfies Record<string, readonly Case[]>;

describe.each(['typescript', 'python'] as const)('P2: a scorer in %s', (kind) => {
  const folder = scorerFolder();
  let service: Awaited<ReturnType<typeof startRewardUnderTest>>;

  beforeAll(async () => {
    const path = folder.write(kind === 'python' ? 'house.py' : 'house.ts', { typescript, python }[kind]);
    // Allocating without end takes a while on a busy machine; hanging has a scorer of its own.
    const house = { kind, path, processes: 1, memoryMebibytes: 160, timeoutMs: 30_000 };
    service = await startRewardUnderTest({}, { scorers: { house, hasty: { ...house, timeoutMs: 1_000 } } });
  });
  afterAll(async () => {
    await service[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  test.each<Case>(cases[kind])(
    'that is asked to %s gives %s, and scores right afterwards',
    async (prediction, outcome) => {
      const name = prediction === 'hang' || prediction === 'wait' ? 'hasty' : 'house';
      const [bad, good] = (
        await service.reward.score({ items: [itemFor(name, prediction), itemFor('house', 'seven77')] })
      ).scores;
      if (typeof outcome === 'number') {
        expect(bad).toMatchObject({ absent: {} });
        expect(bad?.components[name]).toBe(outcome);
      } else {
        expect(bad).toMatchObject({ absent: { [name]: outcome } });
        expect(bad?.components).not.toHaveProperty(name);
        expect(bad?.components).toHaveProperty('exact_match');
      }
      expect(good).toMatchObject({ components: { house: 0.7 }, absent: {} });
      // A second may be too short for any scorer on a machine that stands still.
      await expect
        .poll(
          async () => (await service.reward.score({ items: [itemFor(name, 'six666')] })).scores[0]?.components[name],
          { timeout: 30_000 },
        )
        .toBe(0.6);
    },
  );

  test('is described and counted with its absences and restarts', async () => {
    const { custom, scorers } = await service.reward.describe({});
    expect(scorers).toContain('house');
    const house = custom.find(({ name }) => name === 'house');
    expect(house).toMatchObject({ kind, source: expect.stringContaining('house') });
    expect(house?.restarts).toBeGreaterThan(2n);
    expect(house?.absences).toBeGreaterThan(5n);
    const text = await service.metrics.render();
    expect(text).toContain('gradus_custom_scorer_calls_total{scorer="house",outcome="out_of_memory"}');
    expect(text).toMatch(/gradus_custom_scorer_calls_total\{scorer="house",outcome="threw"\} 1$/m);
    expect(text).toMatch(/gradus_custom_scorer_calls_total\{scorer="hasty",outcome="timeout"\} [1-9]\d*$/m);
  });
});
