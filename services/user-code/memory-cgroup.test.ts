import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { createMemoryCgroup, findCgroupParent } from './memory-cgroup.ts';

const parent = findCgroupParent();
const run = promisify(execFile);

/** What another process prints. */
async function elsewhere(script: string): Promise<string> {
  const imported = new URL('./memory-cgroup.ts', import.meta.url).href;
  const text = `import { createMemoryCgroup, findCgroupParent } from '${imported}'; ${script}`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', text]);
  return stdout.trim();
}

test.runIf(parent !== undefined)(
  'a group is left alone while its maker lives, also before a process is in it, and is removed by the next service after that',
  async () => {
    if (parent === undefined) return;
    const group = createMemoryCgroup(parent, randomUUID(), 64);
    onTestFinished(() => group.remove());
    await elsewhere('findCgroupParent()');
    expect(existsSync(group.processesFile)).toBe(true);
    const left = await elsewhere(
      `console.log(createMemoryCgroup(findCgroupParent(), '${randomUUID()}', 64).processesFile)`,
    );
    expect(existsSync(left)).toBe(true);
    findCgroupParent();
    expect(existsSync(left)).toBe(false);
  },
);

test.runIf(parent !== undefined)(
  'services that start side by side do not take the group of a probe from each other',
  async () => {
    const look =
      'let absent = 0; for (let n = 0; n < 200; n++) if (!findCgroupParent()) absent += 1; console.log(absent)';
    expect(await Promise.all([elsewhere(look), elsewhere(look), elsewhere(look)])).toEqual(['0', '0', '0']);
  },
);
