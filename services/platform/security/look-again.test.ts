import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { lookAgain } from './look-again.ts';

test('looks until it is told to end', async () => {
  const over = new AbortController();
  onTestFinished(() => over.abort());
  let looks = 0;
  lookAgain(1, over.signal, async () => {
    looks += 1;
    if (looks === 3) over.abort();
  });
  await expect.poll(() => looks, { timeout: 60_000 }).toBe(3);
});

test('P10: a program that ends with a failure is not kept alive by what it watches', async () => {
  const from = new URL('look-again.ts', import.meta.url).href;
  const program = `import { lookAgain } from '${from}'; lookAgain(1000, new AbortController().signal, async () => {}); process.exitCode = 7;`;
  const ended = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 60_000 });
  await expect(ended).rejects.toMatchObject({ code: 7, killed: false });
}, 90_000);
