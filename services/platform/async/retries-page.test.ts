import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');

test('P9: docs/retries.md has a row for each place that makes calls again, and for no other', () => {
  const page = readFileSync(join(root, 'docs/retries.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(services\/\S+\.ts)` \|/gm)].map(([, path]) => path);
  const callers = globSync('services/**/*.ts', { cwd: root, exclude: ['**/*.test.ts'] }).filter((path) =>
    /from '[^']*async\/retry\.ts'/.test(readFileSync(join(root, path), 'utf8')),
  );
  expect(new Set(rows)).toEqual(new Set(callers));
  expect(rows).toHaveLength(callers.length);
});
