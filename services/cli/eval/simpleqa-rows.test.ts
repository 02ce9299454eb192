import { expect, it } from 'vitest';
import { parseCsv, simpleqaRows } from './simpleqa-rows.ts';

it('reads fields in quotes with commas, line ends and doubled quotes', () => {
  expect(parseCsv('a,b\r\n"x, ""y""","1\n2"\n\nz,\n')).toEqual([
    { line: 1, fields: ['a', 'b'] },
    { line: 2, fields: ['x, "y"', '1\n2'] },
    { line: 5, fields: ['z', ''] },
  ]);
  expect(() => parseCsv('a,b\n"x,1\n')).toThrow('line 2: a quote is not closed');
});

it('makes rows of SimpleQA, and names the line and column of one that is none', () => {
  const head = 'metadata,problem,answer\n';
  const rows = simpleqaRows(`${head}"{'topic': 'x', 'n': 1}",Who is it?,She\n`, 'f.csv');
  expect(rows).toEqual([{ id: expect.stringMatching(/^q-[0-9a-f]{16}$/), question: 'Who is it?', answer: 'She' }]);
  expect(() => simpleqaRows(`${head}m,Who?,She\nm,What?,\n`, 'f.csv')).toThrow('f.csv:3: answer: is empty');
  expect(() => simpleqaRows('metadata,question\n', 'f.csv')).toThrow('f.csv:1: has no column problem');
});
