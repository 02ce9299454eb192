import { describe, expect, test } from 'vitest';
import { parseYamlDocument } from './yaml-document.ts';

const parse = (text: string, merge = false) => parseYamlDocument(text, 'f.yaml', { merge });

describe('a document in YAML', () => {
  test('is a value, and knows the line of each part', () => {
    const { value, lineOf } = parse('a: 1\nb:\n  - c: 2\n');
    expect(value).toEqual({ a: 1, b: [{ c: 2 }] });
    expect(lineOf(['b', 0, 'c'])).toBe(3);
    expect(lineOf(['b', 0, 'missing'])).toBe(3);
    expect(lineOf(['missing'])).toBeUndefined();
  });

  test.each([
    ['a: 1\nb: 2\na: 3', "f.yaml:3: not YAML: 'a' is there twice"],
    ['x:\n  - { k: 1, k: 2 }', "f.yaml:2: not YAML: 'k' is there twice"],
    ['a: [1', /^f\.yaml:1: not YAML: /],
    ['x'.repeat(2_000_000), /^f\.yaml: 2000000 characters long; at most 1048576 are read$/],
    ['['.repeat(500_000), /^f\.yaml: its values lie too deep/],
    [Array.from({ length: 1_400 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'), /its values lie too deep/],
  ])('%#: is refused with its place', (text, expected) => {
    expect(() => parse(text)).toThrow(expected);
  });

  test('keys of other maps, merges and keys of other types are no double keys', () => {
    expect(parse('a: { k: 1 }\nb: { k: 2 }\n1: x\n"1": y').value).toMatchObject({ a: { k: 1 }, b: { k: 2 } });
    const merged = 'a: &a { k: 1 }\nb: &b { l: 2 }\nc:\n  <<: *a\n  <<: *b\n';
    expect(parse(merged, true).value).toMatchObject({ c: { k: 1, l: 2 } });
  });

  test('does not change what an object is', () => {
    const { value } = parse('__proto__: { polluted: true }');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value ?? {})).toEqual(['__proto__']);
  });
});
