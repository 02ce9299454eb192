import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { numericMatch, type NumericOptions } from './numeric-match.ts';
import { parseQuantity } from './quantity.ts';

const exact: NumericOptions = { absoluteTolerance: 0, relativeTolerance: 0, unit: 'optional' };
const valueOf = (text: string): number | string => {
  const parsed = parseQuantity(text);
  return parsed.kind === 'quantity' ? parsed.value : parsed.reason;
};

describe('a quantity', () => {
  test.each([
    ['42', 42],
    ['-3.5', -3.5],
    ['\u22127', -7],
    ['+8', 8],
    ['.5', 0.5],
    ['1,000', 1000],
    ['12,345,678.90', 12_345_678.9],
    ['1 000 000', 1_000_000],
    ['1\u202f000.5', 1000.5],
    ["1'000", 1000],
    ['3.2e-4', 3.2e-4],
    ['1.5 × 10^6', 1.5e6],
    ['1.5 x 10-3', 1.5e-3],
    ['1.5 * 10^6', 1.5e6],
    ['1.5 *10^6', 1.5e6],
    ['6.02 × 10²³', 6.02e23],
    ['2e3 × 10^2', 2e5],
    ['1/4', 0.25],
    ['2 1/2', 2.5],
    ['2-1/2', 2.5],
    ['2½', 2.5],
    ['22/7', 22 / 7],
    ['10/4', 2.5],
    ['10 / 4.', 2.5],
    ['100/3', 100 / 3],
    ['21/2', 10.5],
    ['-3/2', -1.5],
    ['1 000 1/2', 1000.5],
    ['½', 0.5],
    ['3½', 3.5],
    ['-3 ¾', -3.75],
    ['45%', 0.45],
    ['12.5 percent', 0.125],
    ['$1.2 million', 1.2e6],
    ['-$5', -5],
    ['€3', 3],
    ['5 USD', 5],
    ['3 thousand', 3000],
    ['approximately 12 km', 12],
    ['12 km/h.', 12],
    ['7.', 7],
    ['20 m2', 20],
    // Scales.
    ['5k', 5000],
    ['$5k', 5000],
    ['$1.2B', 1.2e9],
    ['1.2M', 1.2e6],
    ['5 mn', 5e6],
    ['3 bn', 3e9],
    ['€2.5m', 2.5e6],
    ['£3T', 3e12],
    ['300K', 300_000],
    ['2 lakh', 200_000],
    ['3 hundred thousand', 300_000],
    ['5k km', 5000],
    // Units that look like scales.
    ['5 m', 5],
    ['5km', 5],
    ['5 kg', 5],
    ['300 K', 300],
    ['5 t', 5],
    ['2 min', 2],
    // Around the number.
    ['(3.14)', 3.14],
    ['[42]', 42],
    ['**7**', 7],
    ['`7`', 7],
    ['$7$', 7],
    [String.raw`\boxed{7}`, 7],
    ['#5', 5],
    ['No. 5', 5],
    ['= 5', 5],
    // Characters.
    ['–5', -5],
    ['—5', -5],
    ['－５', -5],
    ['１２３', 123],
    ['٣٫٥', 3.5],
    ['१२', 12],
    ['５０％', 0.5],
    ['5‰', 0.005],
    // Powers.
    ['10^3', 1000],
    ['10**3', 1000],
    ['10³', 1000],
    ['10^{-3}', 0.001],
    ['2^10', 1024],
  ])('%j is %d', (text, value) => {
    expect(valueOf(text)).toBeCloseTo(value, 12);
  });

  test.each([
    ['3 or 4', /more than one number/],
    ['3-4', /more than one number/],
    ['5 ± 1', /more than one number/],
    ['1990, 1991', /more than one number/],
    ['10^3 or 10^4', /more than one number/],
    ['3–4', /more than one number/],
    ['(3) (4)', /digits|more than one/],
    ['3,14', /grouped in no known way/],
    ['1,00,000', /grouped in no known way/],
    ['1.234.567', /grouped in no known way/],
    ['twenty-one', /digits/],
    ['', /digits/],
    ['km', /digits/],
    ['Infinity', /digits/],
    ['NaN', /digits/],
    ['1e400', /too large/],
    ['1/0', /divides by zero/],
    ['10-5/2', /not below one/],
    ['1 500/3', /not below one/],
    ['1 000/3', /not below one/],
    ['1/2/2020', /more than one number/],
    ['the answer is 5', /digits/],
    ['1'.repeat(121), /too long/],
  ])('%j is refused', (text, reason) => {
    expect(valueOf(text)).toMatch(reason);
  });

  test('takes linear time on a megabyte', () => {
    for (const piece of ['1', '1,000', '1/2 ', ' ', '× 10']) expect(valueOf(piece.repeat(300_000))).toMatch(/too long/);
  });
});

describe('a numeric match', () => {
  test.each([
    ['5', '5.0', 1],
    ['1,000', '1e3', 1],
    ['5 km', '5000 m', 1],
    ['5 km', '5', 1],
    ['5', '5 km', 1],
    ['5 km', '5 kg', 0],
    ['5 km', '5 miles', 0],
    ['32 °F', '0 °C', 1],
    ['90 min', '1.5 hours', 1],
    ['36 km/h', '10 m/s', 1],
    ['$5', '5 dollars', 1],
    ['$5', '€5', 0],
    ['50%', '0.5', 1],
    ['50', '50%', 0],
    ['3 widgets', '3 widget', 1],
    ['3 widgets', '3 gadgets', 0],
    ['4 or 5', '5', 0],
    ['five', '5', 0],
    ['5k', '5', 0],
    ['5k', '5000', 1],
    ['$1.2B', '1.2', 0],
    ['3 bn', '3', 0],
    ['5 mn', '5', 0],
    ['1.2M', '1200000', 1],
    ['$5k', '5000', 1],
    ['5000', '$5k', 1],
    ['273.15K', '0 °C', 1],
    ['0 °C', '273.15K', 1],
    ['5K', '5000', 1],
    ['5K', '5', 0],
    ['5 m', '5000000', 0],
    ['–5', '5', 0],
    ['10^3', '103', 0],
  ])('of %j with %j is %d', (prediction, gold, expected) => {
    expect(numericMatch(prediction, [gold], exact)).toBe(expected);
  });

  test('has an absolute and a relative tolerance, of which the larger counts', () => {
    const close = (options: Partial<NumericOptions>) => numericMatch('103', ['100'], { ...exact, ...options });
    expect(close({})).toBe(0);
    expect(close({ absoluteTolerance: 3 })).toBe(1);
    expect(close({ absoluteTolerance: 2.9 })).toBe(0);
    expect(close({ relativeTolerance: 0.03 })).toBe(1);
    expect(close({ relativeTolerance: 0.01, absoluteTolerance: 5 })).toBe(1);
  });

  test('may ask for units, or not look at them', () => {
    expect(numericMatch('5', ['5 km'], { ...exact, unit: 'required' })).toBe(0);
    expect(numericMatch('5 km', ['5'], { ...exact, unit: 'required' })).toBe(0);
    expect(numericMatch('5 km', ['5 kg'], { ...exact, unit: 'ignored' })).toBe(1);
  });

  test('takes the best answer, knows every way to write one number, and is symmetric without tolerance', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.integer({ min: -9, max: 9 }), (value, other) => {
        const grouped = value.toLocaleString('en-US');
        for (const text of [grouped, `${value}.0`, `${value}e0`, `$${value}`.replace('$-', '-$')])
          expect(numericMatch(text, ['x', String(value)], exact)).toBe(1);
        expect(numericMatch(String(value), [String(other)], exact)).toBe(value === other ? 1 : 0);
        expect(numericMatch(String(other), [String(value)], exact)).toBe(value === other ? 1 : 0);
      }),
    );
  });
});
