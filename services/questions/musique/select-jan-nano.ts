import { TerminalError } from '#platform/errors.ts';

/** Jan-nano's classes in their order, with the most questions that each may give. */
const caps: readonly (readonly [name: string, cap: number])[] = [
  ['2hop', 7000],
  ['3hop1', 1500],
  ['3hop2', 1500],
  ['4hop1', 1000],
  ['4hop2', 1000],
  ['4hop3', 1000],
];

/** `2hop` of `2hop__150763_14904`. */
export function classOf(id: string): string {
  return id.split('__', 1)[0] ?? '';
}

/**
 * The selection of Jan-nano (10,325 questions of MuSiQue-Ans train: 7000 + 2150 + 1175). Per class: rows in the order
 * of their ids; all when there are at most `cap`, else those at floor(i * count / cap).
 */
export function selectJanNano<Row extends { readonly id: string }>(rows: readonly Row[]): Row[] {
  const byClass = new Map<string, Row[]>(caps.map(([name]) => [name, []]));
  for (const row of rows) {
    const list = byClass.get(classOf(row.id));
    if (list === undefined) {
      const known = caps.map(([name]) => name).join(', ');
      throw new TerminalError('invalid_argument', `id ${JSON.stringify(row.id)}: its class is none of ${known}`);
    }
    list.push(row);
  }
  return caps.flatMap(([name, cap]) => {
    const sorted = (byClass.get(name) ?? []).sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
    return sorted.length <= cap
      ? sorted
      : spread(sorted.length, cap).flatMap((index) => sorted.slice(index, index + 1));
  });
}

/** `cap` distinct indexes below `count`, evenly spread, ascending; a doubled one is replaced by the next free one. */
export function spread(count: number, cap: number): number[] {
  const chosen = new Set<number>();
  for (let i = 0; i < cap; i++) {
    let index = Math.floor((i * count) / cap);
    while (chosen.has(index)) index += 1;
    chosen.add(index);
  }
  return [...chosen].sort((a, b) => a - b);
}
