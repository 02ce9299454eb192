import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { keepListedRollouts, readListedRollouts } from './listed-rollouts.ts';

test('what was listed is read again, and a home that cannot be written to fails nobody', async () => {
  const home = await temporaryDirectory('gradus-listed-');
  await keepListedRollouts(home, ['3f9a12c08be4', '90b1d2aa07ce']);
  expect(await readListedRollouts(home)).toEqual(['3f9a12c08be4', '90b1d2aa07ce']);
  const file = join(home, 'file');
  await writeFile(file, '');
  await keepListedRollouts(file, ['3f9a12c08be4']);
  expect(await readListedRollouts(file)).toEqual([]);
});
