import { expect, test } from 'vitest';
import { correctionOf } from './batch.ts';

test('P5: samples of older versions are corrected for it unless the recipe says otherwise', () => {
  const of = (asked: 'auto' | 'none' | 'icepop', staleness: number): string =>
    correctionOf({ mismatch_correction: asked }, staleness);
  expect([of('auto', 0), of('auto', 2), of('none', 2), of('icepop', 0)]).toEqual(['none', 'tis', 'none', 'icepop']);
});
