import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { boundCompileCache } from './bound-compile-cache.ts';

test('compiled modules are removed where they are too many, and only from our own folder', async () => {
  const directory = await temporaryDirectory('gradus-compiled-');
  const inUse = join(directory, 'v24-x64');
  await mkdir(inUse);
  for (const name of ['one', 'two']) await writeFile(join(inUse, name), '');
  await boundCompileCache(inUse, directory, 2);
  await boundCompileCache(inUse, join(directory, 'elsewhere'), 1);
  await boundCompileCache(undefined, directory, 1);
  expect(existsSync(join(inUse, 'two'))).toBe(true);
  await boundCompileCache(inUse, directory, 1);
  expect(existsSync(directory)).toBe(false);
});
