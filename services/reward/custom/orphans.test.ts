import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { itemFor, scorerFolder } from './scorers-under-test.ts';

/** Neither ever ends with a rollout. */
const typescript = `
export default { score() { for (;;); } };
`;
// A regular expression that holds the interpreter's lock, so that no thread of its own could end it.
const python = `
import re
def compute_score(data_source, solution_str, ground_truth, extra_info):
    return bool(re.fullmatch(r"(a|a)*b", "a" * 60))
`;

test.each<NodeJS.Signals>(['SIGKILL', 'SIGTERM'])(
  'no scorer process outlives a service that is ended by %s, whatever the scorer does',
  async (signal) => {
    const folder = scorerFolder();
    onTestFinished(() => folder[Symbol.dispose]());
    const ts = folder.write('hang.ts', typescript);
    const py = folder.write('hang.py', python);
    const limits = { processes: 2, timeoutMs: 600_000 };
    const scorers = { ts: { kind: 'typescript', path: ts, ...limits }, py: { kind: 'python', path: py, ...limits } };
    const service = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, '../main.ts'), '--drain-ms', '100'],
      { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, GRADUS_SCORERS: JSON.stringify(scorers) } },
    );
    onTestFinished(() => void service.kill('SIGKILL'));
    const [line] = (await once(createInterface({ input: service.stdout }), 'line')) as [string];
    const { grpc } = JSON.parse(line) as { grpc: string };
    const client = createGrpcClient(RewardService, grpc, { timeoutMs: 600_000 });
    onTestFinished(() => client.close());
    const lost = ['ts', 'py'].map(
      async (name) => await client.score({ items: [itemFor(name, 'a'), itemFor(name, 'b')] }),
    );
    const pids = (): number[] => processesOf(dirname(ts));
    await expect.poll(() => pids().filter(isBusy).length, { timeout: 50_000 }).toBe(4);
    service.kill(signal);
    await Promise.allSettled(lost);
    await expect.poll(pids, { timeout: 50_000 }).toEqual([]);
  },
  120_000,
);

/** All that a command line names the folder in, however deep in namespaces. */
function processesOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => read(`/proc/${pid}/cmdline`).includes(folder));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** It computes, which a process that waits for a rollout does not. */
function isBusy(pid: number): boolean {
  return read(`/proc/${pid}/stat`).split(') ')[1]?.startsWith('R') === true;
}
