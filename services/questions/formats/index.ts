import { hotpotqa, twoWiki } from './hotpotqa.ts';
import { gradus, plain } from './own-rows.ts';
import type { Format } from './row-format.ts';
import { searchR1 } from './search-r1.ts';
import { simpleqa } from './simpleqa.ts';

export const rowFormats = ['plain', 'gradus', 'search_r1', 'hotpotqa', '2wiki', 'simpleqa'] as const;
export type RowFormat = (typeof rowFormats)[number];

export const formats: Readonly<Record<RowFormat, Format>> = {
  plain,
  gradus,
  search_r1: searchR1,
  hotpotqa,
  '2wiki': twoWiki,
  simpleqa,
};
