import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkRoots } from './check-roots.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

test('a path has to lie under one of the roots, whatever links and dots it is written with', async () => {
  const place = await temporaryDirectory('gradus-roots-');
  const home = join(place, 'home');
  await mkdir(home);
  await symlink(place, join(home, 'link'));
  await checkRoots('directory', join(home, 'run', 'not', 'yet'), [join(place, 'other'), home]);
  await checkRoots('directory', home, [home]);
  await checkRoots('directory', join(home, '..run'), [home]);
  await checkRoots('directory', '/anywhere', []);
  for (const path of [join(place, 'home2'), `${home}/../elsewhere`, join(home, 'link', 'elsewhere')])
    await expect(checkRoots('directory', path, [home])).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining(`directory is '${path}', which lies outside of ${home}`),
    });
  await expect(checkRoots('directory', 'run', [home])).rejects.toThrow('must be an absolute path');
});
