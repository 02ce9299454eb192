import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { createGrpcClient } from '#shared/grpc/client.ts';
import { isAlive } from '#shared/runtime/is-alive.ts';
import { itemFor, scorerFolder } from './scorers-under-test.ts';

/** Each says where it runs as it loads, and never ends with a rollout. */
const typescript = `
import { writeFileSync } from 'node:fs';
writeFileSync(import.meta.dirname + '/' + process.pid + '.pid', '');
export default { score() { for (;;); } };
`;
// A regular expression that holds the interpreter's lock, so that no thread of its own could end it.
const python = `
import os, pathlib, re
(pathlib.Path(__file__).parent / f"{os.getpid()}.pid").touch()
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
    const pids = (): number[] =>
      readdirSync(dirname(ts))
        .filter((name) => name.endsWith('.pid'))
        .map((name) => Number.parseInt(name, 10));
    await expect.poll(() => pids().filter(isBusy).length, { timeout: 50_000 }).toBe(4);
    service.kill(signal);
    await Promise.allSettled(lost);
    await expect.poll(() => pids().filter(isAlive), { timeout: 50_000 }).toEqual([]);
  },
  120_000,
);

/** It computes, which a process that waits for a rollout does not. */
function isBusy(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('R') === true;
  } catch {
    return false;
  }
}
