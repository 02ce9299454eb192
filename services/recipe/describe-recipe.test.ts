import { describe, expect, it } from 'vitest';
import { describeRecipe } from './describe-recipe.ts';

describe('the reference of recipe keys', () => {
  const reference = describeRecipe();

  it('describes every field', () => {
    for (const row of reference.split('\n').filter((line) => line.startsWith('| `'))) {
      expect(row.replaceAll('\\|', '').split('|').at(-2)?.trim(), row).not.toBe('');
    }
  });

  it('has a row per field of what is there by name, and says of which kinds it is', () => {
    expect(reference).toContain('| `judges.NAME.base_url` | string |');
    expect(reference).toContain('| `scorers.NAME.kind` | `grade`, `rubric`, `pairwise`,');
    expect(reference).toContain('| `pairwise`: Which pairs are compared. |');
    expect(reference).toContain('| `stages[].composition.penalties` | number by name | > 0..100 | `{}` |');
  });

  it('has a section per environment, with its options and what its rows hold', () => {
    expect(reference).toContain('## Environment `search`');
    expect(reference).toContain(
      '| `environment.options.top_k` | integer | 1..100 | `10` | Hits that one search returns. |',
    );
    expect(reference).toContain('| `row.gold.answers` | list of');
  });

  it('shows bounds and defaults', () => {
    expect(reference).toContain(
      '| `stages[].algorithm.clip_high` | number | 0..10 | `0.28` | Upper clip range of the ratio (clip-higher). |',
    );
    expect(reference).toContain('| `stages[].until.steps` | integer | 0..1000000 | required |');
  });
});
