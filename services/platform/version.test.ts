import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { repositoryRoot } from './repository.ts';
import { version } from './version.ts';

test('the version is that of the package', () => {
  const manifest: unknown = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'));
  expect(z.object({ version: z.string() }).parse(manifest).version).toBe(version);
});
