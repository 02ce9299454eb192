import { describe, expect, it } from 'vitest';
import { floatFormats, isFloatType, widestOf } from './number-formats.ts';
import type { FloatType } from './number-formats.ts';

function through(type: FloatType, values: readonly number[]): number[] {
  const bytes = floatFormats[type].encode(Float64Array.from(values));
  expect(bytes).toHaveLength(values.length * floatFormats[type].bytesEach);
  const into = new Float64Array(values.length);
  const aligned = new ArrayBuffer(Math.ceil(bytes.length / 8) * 8);
  new Uint8Array(aligned).set(bytes);
  floatFormats[type].decode(aligned, into);
  return [...into];
}

describe('numbers of tensors', () => {
  it('that a format holds come back as they were', () => {
    for (const type of ['F64', 'F32', 'F16', 'BF16'] as const)
      expect(through(type, [0, 1, -2.5, 0.0078125, 128, NaN, -Infinity])).toEqual([
        0,
        1,
        -2.5,
        0.0078125,
        128,
        NaN,
        -Infinity,
      ]);
  });

  it('are rounded to the nearest, ties to even, and become infinite where they are too large', () => {
    // BF16 has 8 bits of precision: between 256 and 512 every second number.
    expect(through('BF16', [257, 259, 258, 1e39])).toEqual([256, 260, 258, Infinity]);
    // F16 has 11: between 2048 and 4096 every second one; its largest is 65504.
    expect(through('F16', [2049, 2051, 65504, 65520])).toEqual([2048, 2052, 65504, Infinity]);
    expect(through('F32', [16777217, 1e39])).toEqual([16777216, Infinity]);
  });

  it('lie as other programs read them', () => {
    expect([...floatFormats.BF16.encode(Float64Array.of(1, -2))]).toEqual([0x80, 0x3f, 0x00, 0xc0]);
    expect([...floatFormats.F16.encode(Float64Array.of(1, -2))]).toEqual([0x00, 0x3c, 0x00, 0xc0]);
    expect([...floatFormats.F32.encode(Float64Array.of(1))]).toEqual([0, 0, 0x80, 0x3f]);
  });

  it('of several formats need the one that holds all', () => {
    expect(widestOf(['BF16', 'BF16'])).toBe('BF16');
    expect(widestOf(['BF16', 'F16'])).toBe('F32');
    expect(widestOf(['F16', 'F32', 'BF16'])).toBe('F32');
    expect(widestOf(['F32', 'F64'])).toBe('F64');
    expect([isFloatType('BF16'), isFloatType('I64'), isFloatType('toString')]).toEqual([true, false, false]);
  });
});
