import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeInitialModel } from './initial-model.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

async function folder(): Promise<string> {
  const directory = await temporaryDirectory('gradus-initial-');
  return directory;
}

test('P9: fresh weights that take too long are reported as that, with the command that makes them, not as a wrong model', async () => {
  const from = await folder();
  const out = join(from, 'out');
  const made = makeInitialModel({ from, seed: 3, copying: true }, out, 1);
  await expect(made).rejects.toMatchObject({ code: 'failed_precondition' });
  await expect(made).rejects.toThrow(
    /^model\.weights: .* not made within the time limit of 0\.001 s; make them once by hand \(PYTHONPATH=.* --seed 3 --copying\), then set model\.path: .*\/out and leave model\.weights out$/,
  );
});
