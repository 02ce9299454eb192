import { create, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { compose as composeOf, withoutGroupwise, type CompositionStep } from './compose.ts';
import { describeStep } from './describe-step.ts';
import { missingFor } from './missing-for.ts';

type CompositionInit = Exclude<MessageInitShape<typeof CompositionSchema>, { $typeName: string }>;
const compositionOf = (weights: Readonly<Record<string, number>>, more: CompositionInit = {}) =>
  create(CompositionSchema, { weights: Object.entries(weights).map(([name, weight]) => ({ name, weight })), ...more });
const valuesOf = (components: Readonly<Record<string, number>>, modelTokens = 0) => ({
  components,
  detectors: {},
  modelTokens,
});
const compose = (
  weights: Readonly<Record<string, number>>,
  values: Readonly<Record<string, number>>,
  composition?: CompositionInit,
  onStep?: (step: CompositionStep) => void,
): number | undefined => composeOf(compositionOf(weights, composition), valuesOf(values), onStep);

describe('compose', () => {
  test('without a composition it is the weighted sum', () => {
    expect(compose({ a: 1, b: 0.5 }, { a: 1, b: 0.5 })).toBe(1.25);
    expect(compose({}, {})).toBe(0);
  });

  test('normalised, then penalties, then gates, then the clip', () => {
    const composition = {
      normalize: true,
      penalties: [{ name: 'd', size: 0.5 }],
      gates: [{ name: 'a', atLeast: 1, otherwise: 7 }],
      clipHigh: 0.4,
    };
    const steps: CompositionStep[] = [];
    expect(compose({ a: 3, b: 1 }, { a: 1, b: 0, d: 0.5 }, composition, (step) => steps.push(step))).toBe(0.4);
    expect(steps.map((step) => [step.kind, step.after])).toEqual([
      ['sum', 3],
      ['normalize', 0.75],
      ['penalty', 0.5],
      ['gate', 0.5],
      ['clip', 0.4],
    ]);
    // The clip also bounds what a gate sets.
    expect(compose({ a: 3, b: 1 }, { a: 0.5, b: 0, d: 0 }, composition)).toBe(0.4);
  });

  test.each([
    [{ a: 1 }, 1],
    [{ a: 0.5 }, 1],
    [{ a: 0.4999 }, -1],
    [{ a: 2 }, -1],
    [{ a: 1.5 }, 1],
  ])('a gate holds within its bounds, both included: %j gives %d', (values, total) => {
    const gates = [{ name: 'a', atLeast: 0.5, atMost: 1.5, otherwise: -1 }];
    expect(compose({ one: 1 }, { one: 1, ...values }, { gates })).toBe(total);
  });

  test('of several gates the first that does not hold decides', () => {
    const gates = [
      { name: 'a', atLeast: 1, otherwise: 0.1 },
      { name: 'b', atLeast: 1, otherwise: 0.2 },
      { name: 'c', atLeast: 1, otherwise: 0.3 },
    ];
    expect(compose({ a: 1 }, { a: 1, b: 0, c: 0 }, { gates })).toBe(0.2);
    expect(compose({ a: 1 }, { a: 1, b: 1, c: 1 }, { gates })).toBe(1);
  });

  test('P2: what reads an absent component has no reward, never a number', () => {
    expect(compose({ a: 1, b: 1 }, { a: 1 })).toBeUndefined();
    expect(compose({ a: 1, b: 1 }, { a: 1 }, { clipLow: 0, clipHigh: 1 })).toBeUndefined();
    expect(compose({ a: 1 }, { a: 1 }, { penalties: [{ name: 'b', size: 1 }] })).toBeUndefined();
    expect(compose({ a: 1 }, { a: 1 }, { gates: [{ name: 'b', atLeast: 1, otherwise: 0 }] })).toBeUndefined();
    const absent = compose(
      { a: 1 },
      { a: 1, b: NaN },
      { gates: [{ name: 'b', atLeast: 1, otherwise: 0 }], clipLow: 0 },
    );
    expect(absent).toBeUndefined();
  });

  test('P2: an absent component does not matter where nothing reads it', () => {
    expect(compose({ a: 1 }, { a: 1 })).toBe(1);
    const gates = [
      { name: 'a', atLeast: 1, otherwise: 0.25 },
      { name: 'b', atLeast: 1, otherwise: 0.5 },
    ];
    expect(compose({ a: 1, b: 1 }, { a: 0 }, { gates })).toBe(0.25);
    // The other way round nobody can know which gate decides.
    expect(compose({ a: 1, b: 1 }, { a: 0 }, { gates: gates.toReversed() })).toBeUndefined();
  });

  test("the overlong penalty comes last and counts the policy's own tokens, as DAPO's equation 13 has it", () => {
    const composition = compositionOf(
      { a: 1 },
      { clipLow: 0, overlong: { maxTokens: 20_480, bufferTokens: 4096, factor: 1 } },
    );
    const rewards = [16_384, 18_432, 20_480, 24_576].map((tokens) =>
      composeOf(composition, valuesOf({ a: 0 }, tokens)),
    );
    expect(rewards).toEqual([0, -0.5, -1, -1]);
    expect(composeOf(composition, valuesOf({}, 24_576))).toBeUndefined();
  });

  test('without its group a rollout has what does not read the comparison', () => {
    const composition = compositionOf(
      { a: 1, pair: 3 },
      {
        normalize: true,
        penalties: [{ name: 'pair', size: 1 }],
        gates: [{ name: 'pair', atLeast: 0.5, otherwise: -1 }],
        groupwise: ['pair'],
      },
    );
    expect(composeOf(composition, valuesOf({ a: 0.5, pair: 1 }))).toBe((0.5 + 3) / 4 - 1);
    expect(composeOf(composition, valuesOf({ a: 0.5 }))).toBeUndefined();
    expect(composeOf(withoutGroupwise(composition), valuesOf({ a: 0.5 }))).toBe(0.5);
    const alone = compositionOf({ pair: 1 }, { normalize: true, groupwise: ['pair'] });
    expect(composeOf(withoutGroupwise(alone), valuesOf({}))).toBe(0);
  });

  test('it is never -0', () => {
    expect(compose({}, {}, { gates: [{ name: 'a', atLeast: 1, otherwise: -0 }] })).not.toBe(-0);
    expect(compose({ a: 1 }, { a: 0 }, { clipHigh: -0 })).toBe(0);
  });
});

const names = ['a', 'b', 'c', 'd'] as const;
const ratio = fc.double({ min: 0, max: 1, noNaN: true });
const size = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
const bound = fc.option(ratio, { nil: undefined });
const byName = <T>(value: fc.Arbitrary<T>) => fc.record({ a: value, b: value, c: value, d: value });
const compositions = fc.record({
  normalize: fc.boolean(),
  penalties: fc.uniqueArray(fc.record({ name: fc.constantFrom(...names), size }), {
    selector: ({ name }) => name,
    maxLength: 4,
  }),
  gates: fc.array(
    fc
      .record({ name: fc.constantFrom(...names), atLeast: bound, atMost: bound, otherwise: ratio })
      .map(({ atLeast, atMost, ...gate }) => ({
        ...gate,
        ...(atLeast !== undefined && { atLeast }),
        ...(atMost !== undefined && { atMost }),
      })),
    { maxLength: 4 },
  ),
});

describe('properties of compose', () => {
  test('normalised, components within 0..1 give a total within 0..1, to the last bit', () => {
    fc.assert(
      fc.property(byName(fc.double({ min: 1e-300, max: 1e300, noNaN: true })), byName(ratio), (weights, values) => {
        const total = compose(weights, values, { normalize: true });
        expect(total).toBeGreaterThanOrEqual(0);
        expect(total).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('with everything there, it is finite, and the last step is the total', () => {
    fc.assert(
      fc.property(byName(size), byName(ratio), compositions, (weights, values, composition) => {
        const steps: CompositionStep[] = [];
        const total = compose(weights, values, composition, (step) => steps.push(step));
        expect(Number.isFinite(total)).toBe(true);
        expect((steps.at(-1)?.after ?? NaN) + 0).toBe(total);
        expect(compose(weights, values, composition)).toBe(total);
        for (const step of steps) for (const line of describeStep(step).reasons) expect(line).not.toContain('absent');
      }),
    );
  });

  test('P2: leaving a component out gives no reward, or the same as any value for it', () => {
    fc.assert(
      fc.property(
        byName(size),
        byName(ratio),
        compositions,
        fc.constantFrom(...names),
        ratio,
        (weights, values, composition, left, other) => {
          const { [left]: _, ...rest } = values;
          const total = compose(weights, rest, composition);
          if (total === undefined) return;
          expect(total).toBe(compose(weights, { ...values, [left]: other }, composition));
        },
      ),
    );
  });

  test('P2: a component is missing exactly when there is no reward', () => {
    fc.assert(
      fc.property(
        byName(size),
        byName(ratio),
        compositions,
        fc.subarray([...names]),
        (weights, values, composition, left) => {
          const components = Object.fromEntries(
            Object.entries(values).filter(([name]) => !left.some((one) => one === name)),
          );
          const missing = missingFor(compositionOf(weights, composition), { ...valuesOf(components), absent: {} });
          expect(missing.length === 0).toBe(compose(weights, components, composition) !== undefined);
          expect(left).toEqual(expect.arrayContaining(missing.map(({ name }) => name)));
        },
      ),
    );
  });

  test('P2: what a worker does not miss of a compared stage, the coordinator can compose once the group is compared', () => {
    fc.assert(
      fc.property(
        byName(size),
        byName(ratio),
        compositions,
        fc.subarray([...names]),
        fc.subarray([...names]),
        (weights, values, composition, left, groupwise) => {
          const whole = compositionOf(weights, { ...composition, groupwise });
          const own = Object.fromEntries(
            Object.entries(values).filter(([name]) => ![...left, ...groupwise].some((one) => one === name)),
          );
          if (missingFor(whole, { ...valuesOf(own), absent: {} }).length > 0) return;
          const given = Object.fromEntries(
            Object.entries(values).filter(([name]) => groupwise.some((one) => one === name)),
          );
          expect(composeOf(whole, valuesOf({ ...own, ...given }))).toBeDefined();
          expect(composeOf(withoutGroupwise(whole), valuesOf(own))).toBeDefined();
        },
      ),
    );
  });

  test('a clip keeps what is within, and bounds the rest', () => {
    fc.assert(
      fc.property(byName(ratio), byName(ratio), ratio, ratio, (weights, values, one, other) => {
        const [clipLow, clipHigh] = [Math.min(one, other), Math.max(one, other)];
        const free = compose(weights, values) ?? NaN;
        const clipped = compose(weights, values, { clipLow, clipHigh });
        expect(clipped).toBe(free < clipLow ? clipLow : free > clipHigh ? clipHigh : free);
      }),
    );
  });
});

test('each step says in words what it read and did', () => {
  const lines: string[] = [];
  const composition = {
    normalize: true,
    penalties: [{ name: 'd', size: 0.5 }],
    gates: [
      { name: 'a', atLeast: 0.25, atMost: 1, otherwise: 0 },
      { name: 'b', atLeast: 1, otherwise: -2 },
    ],
    clipLow: -1,
  };
  compose({ a: 1, b: 0.5 }, { a: 1 / 3, b: 0, d: 1 }, composition, (step) => {
    const { name, reasons } = describeStep(step);
    lines.push(`${name}: ${reasons.join('; ')}`);
  });
  expect(lines).toEqual([
    'sum: 1 x a 0.333333 + 0.5 x b 0',
    'normalize: 0.333333 / 1.5, the sum of the weights',
    'penalty d: 0.222222 - 0.5 x 1',
    'gate a: a is 0.333333, at least 0.25 and at most 1: it holds',
    'gate b: b is 0, not at least 1: -2 in place of -0.277778',
    'clip: -2 becomes -1, bounds -1 ..',
  ]);
  const absent = describeStep({ kind: 'sum', terms: [{ name: 'a', weight: 1, value: undefined }], after: undefined });
  expect(absent.reasons).toEqual(['1 x a absent']);
  const overlong = { kind: 'overlong', modelTokens: 75, maxTokens: 100, bufferTokens: 50, penalty: -0.5 } as const;
  expect(describeStep({ ...overlong, before: 1, after: 0.5 }).reasons).toEqual([
    "75 tokens of the policy's own; free up to 50, full at 100: 1 + -0.5",
  ]);
});

test('P2: a component that is absent is absent under any name; a detector that did not fire is 0', () => {
  const rewards = ['house', 'constructor', 'candidate_list'].map((name) => compose({ [name]: 1 }, {}));
  expect(rewards).toEqual([undefined, undefined, 0]);
});

describe('missingFor', () => {
  test('gives the reason of each, and whether it is worth asking again', () => {
    const composition = compositionOf({ a: 1, b: 1, c: 1, pair: 1 }, { groupwise: ['pair'] });
    const absent = { a: 'circuit_open', b: 'unparsable', unread: 'timeout' };
    expect(missingFor(composition, { ...valuesOf({}), absent })).toEqual([
      { name: 'a', reason: 'circuit_open', ask: 'later' },
      { name: 'b', reason: 'unparsable', ask: 'again' },
      { name: 'c', reason: '', ask: 'never' },
    ]);
  });

  test('is empty when a gate that can be read decides, whatever is absent after it', () => {
    const gates = [
      { name: 'pair', atLeast: 0.5, otherwise: 0 },
      { name: 'a', atLeast: 1, otherwise: 0 },
      { name: 'b', atLeast: 1, otherwise: 0 },
    ];
    const composition = compositionOf({ c: 1 }, { gates, groupwise: ['pair'] });
    const missing = (components: Readonly<Record<string, number>>) =>
      missingFor(composition, { ...valuesOf(components), absent: {} }).map(({ name }) => name);
    expect(missing({ a: 0 })).toEqual([]);
    expect(missing({ a: 1 })).toEqual(['b', 'c']);
    expect(missing({ b: 0 })).toEqual(['a', 'c']);
  });
});
