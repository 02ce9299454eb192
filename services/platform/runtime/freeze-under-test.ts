import { readdir, readFile } from 'node:fs/promises';
import { expect } from 'vitest';

/** Stops a process with SIGSTOP and waits until each of its threads stands: on a busy machine that takes a while. Linux. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const stateOf = async (thread: string): Promise<string | undefined> =>
    /.*\) (\S)/.exec(await readFile(`/proc/${pid}/task/${thread}/stat`, 'latin1'))?.[1];
  const states = async () => Promise.all((await readdir(`/proc/${pid}/task`)).map(stateOf));
  await expect.poll(async () => [...new Set(await states())], { interval: 5 }).toEqual(['T']);
}
