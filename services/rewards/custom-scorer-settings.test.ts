import { describe, expect, test } from 'vitest';
import { declaredScorersSchema } from '#recipe/reward-parts.ts';
import { customScorersSettings } from './custom-scorer-settings.ts';

describe('settings of custom scorers', () => {
  test('a recipe spells them in its own way, with the same bounds and defaults', () => {
    const { own } = declaredScorersSchema.parse({ own: { kind: 'python', path: './reward.py', timeout_ms: 70 } });
    expect(own).toMatchObject({ path: './reward.py', timeout_ms: 70, memory_mebibytes: 512, data_source: 'gradus' });
    const { own: same } = customScorersSettings.parse({ own: { kind: 'python', path: './reward.py', timeoutMs: 70 } });
    expect(new Set(Object.values(same ?? {}))).toEqual(new Set(Object.values(own ?? {})));
  });

  test.each<[string, Record<string, object>, string]>([
    ['a built-in name', { exact_match: { kind: 'typescript', path: 'a.ts' } }, 'is the name of a built-in scorer'],
    ['an empty range', { own: { kind: 'python', path: 'a.py', low: 1, high: 1 } }, 'must be more than low (1)'],
    ['a password in a URL', { own: { kind: 'http', url: 'http://me:secret@host/' } }, 'must not hold a password'],
    ['a key in place of its variable', { own: { kind: 'http', url: 'http://host/', keyEnv: 'sk-1' } }, 'not the key'],
  ])('%s is refused', (_, scorers, message) => {
    const { error } = customScorersSettings.safeParse(scorers);
    expect(error?.issues.map((issue) => issue.message).join()).toContain(message);
  });
});
