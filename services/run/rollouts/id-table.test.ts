import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createIdTable } from './id-table.ts';

describe('a table of ids', () => {
  it('numbers ids in the order in which they come, and knows them again whatever their length', () => {
    const table = createIdTable();
    const ids = Array.from({ length: 20_000 }, (_, index) =>
      index % 2 === 0 ? String(index) : createHash('sha256').update(String(index)).digest('hex'),
    );
    for (const [index, id] of ids.entries()) {
      expect(table.add(id)).toBe(index);
      table.set(index, index * 7);
    }
    expect(table.size).toBe(20_000);
    for (const [index, id] of ids.entries()) {
      expect(table.add(id)).toBe(index);
      expect(table.get(table.find(id))).toBe(index * 7);
    }
    expect(table.find('stranger')).toBe(-1);
    expect(table.size).toBe(20_000);
  });
});
