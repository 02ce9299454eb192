import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { composeTotal, type CompositionInit, type CompositionStep } from './compose.ts';
import { describeStep } from './describe-step.ts';
import { valueReader } from './value-reader.ts';

const compose = (
  weights: Readonly<Record<string, number>>,
  values: Readonly<Record<string, number>>,
  composition?: CompositionInit,
  onStep?: (step: CompositionStep) => void,
): number =>
  composeTotal(
    Object.entries(weights).map(([name, weight]) => ({ name, weight })),
    composition,
    (name) => values[name],
    onStep,
  );

describe('composeTotal', () => {
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

  test('P2: what reads an absent component is NaN, never a number', () => {
    expect(compose({ a: 1, b: 1 }, { a: 1 })).toBeNaN();
    expect(compose({ a: 1, b: 1 }, { a: 1 }, { clipLow: 0, clipHigh: 1 })).toBeNaN();
    expect(compose({ a: 1 }, { a: 1 }, { penalties: [{ name: 'b', size: 1 }] })).toBeNaN();
    expect(compose({ a: 1 }, { a: 1 }, { gates: [{ name: 'b', atLeast: 1, otherwise: 0 }] })).toBeNaN();
    const absent = compose(
      { a: 1 },
      { a: 1, b: NaN },
      { gates: [{ name: 'b', atLeast: 1, otherwise: 0 }], clipLow: 0 },
    );
    expect(absent).toBeNaN();
  });

  test('P2: an absent component does not matter where nothing reads it', () => {
    expect(compose({ a: 1, b: 0 }, { a: 1 })).toBe(1);
    const gates = [
      { name: 'a', atLeast: 1, otherwise: 0.25 },
      { name: 'b', atLeast: 1, otherwise: 0.5 },
    ];
    expect(compose({ a: 1, b: 1 }, { a: 0 }, { gates })).toBe(0.25);
    // The other way round nobody can tell which gate decides.
    expect(compose({ a: 1, b: 1 }, { a: 0 }, { gates: gates.toReversed() })).toBeNaN();
  });

  test('it is never -0', () => {
    expect(compose({}, {}, { gates: [{ name: 'a', atLeast: 1, otherwise: -0 }] })).not.toBe(-0);
    expect(compose({ a: 1 }, { a: 0 }, { clipHigh: -0 })).toBe(0);
  });
});

const names = ['a', 'b', 'c', 'd'] as const;
const ratio = fc.double({ min: 0, max: 1, noNaN: true });
const size = fc.double({ min: 0, max: 1e6, noNaN: true });
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

describe('properties of composeTotal', () => {
  test('normalised, components within 0..1 give a total within 0..1, to the last bit', () => {
    fc.assert(
      fc.property(byName(fc.double({ min: 0, max: 1e300, noNaN: true })), byName(ratio), (weights, values) => {
        fc.pre(names.some((name) => weights[name] > 0));
        const total = compose(weights, values, { normalize: true });
        expect(total).toBeGreaterThanOrEqual(0);
        expect(total).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('with everything there, it is finite, and the last step is the total', () => {
    fc.assert(
      fc.property(byName(size), byName(ratio), compositions, (weights, values, composition) => {
        fc.pre(names.some((name) => weights[name] > 0));
        const steps: CompositionStep[] = [];
        const total = compose(weights, values, composition, (step) => steps.push(step));
        expect(Number.isFinite(total)).toBe(true);
        expect((steps.at(-1)?.after ?? NaN) + 0).toBe(total);
        expect(compose(weights, values, composition)).toBe(total);
        for (const step of steps) for (const line of describeStep(step).reasons) expect(line).not.toContain('absent');
      }),
    );
  });

  test('P2: leaving a component out gives NaN or the same number as any value for it', () => {
    fc.assert(
      fc.property(
        byName(size),
        byName(ratio),
        compositions,
        fc.constantFrom(...names),
        ratio,
        (weights, values, composition, left, other) => {
          fc.pre(names.some((name) => weights[name] > 0));
          const { [left]: _, ...rest } = values;
          const total = compose(weights, rest, composition);
          if (Number.isNaN(total)) return;
          expect(total).toBe(compose(weights, { ...values, [left]: other }, composition));
        },
      ),
    );
  });

  test('a clip keeps what is within, and bounds the rest', () => {
    fc.assert(
      fc.property(byName(ratio), byName(ratio), ratio, ratio, (weights, values, one, other) => {
        const [clipLow, clipHigh] = [Math.min(one, other), Math.max(one, other)];
        const free = compose(weights, values);
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
  compose({ a: 1, b: 0.5, c: 0 }, { a: 1 / 3, b: 0, d: 1 }, composition, (step) => {
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
  const absent = describeStep({ kind: 'sum', terms: [{ name: 'a', weight: 1, value: NaN }], after: NaN });
  expect(absent.reasons).toEqual(['1 x a absent']);
});

test('P2: a component that is absent is absent under any name', () => {
  const read = valueReader({ components: {}, detectors: {} });
  expect(['house', 'constructor', 'candidate_list'].map(read)).toEqual([undefined, undefined, 0]);
});
