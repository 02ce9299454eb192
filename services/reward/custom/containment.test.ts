import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLogger } from '#platform/telemetry/logging.ts';
import { findContainment, lackingContainment } from '#user-code/containment.ts';
import type { Containment } from '#user-code/containment.ts';
import { createProcessOutput } from '#user-code/process-output.ts';
import { startScorerProcess } from './scorer-process.ts';
import type { ScorerProcess } from './scorer-process.ts';
import { scorerFolder } from './scorers-under-test.ts';

const found = await findContainment();
const bare: Containment = { namespace: undefined, cgroup: undefined };
const levels: readonly (readonly [string, Containment])[] = [
  ['what this system offers', found],
  ['a namespace alone', { ...found, cgroup: undefined }],
  ['neither namespace nor control group', bare],
];
const secret = 'not-for-user-code';

/** Asked for by name; answers when it is done, if it ever is. */
const script = String.raw`
import glob, json, os, subprocess, sys, time

def hold(mebibytes):
    return [sys.executable, "-c", f"import time; held = b'x' * ({mebibytes} << 20); time.sleep(600)"]

def memory():
    children = [subprocess.Popen(hold(100)) for _ in range(3)]
    time.sleep(600)

def slowly_in_the_background():
    subprocess.Popen(hold(400), start_new_session=True)

def leave_behind():
    mark = ["sleep", os.environ["LEFT_BEHIND"]]
    subprocess.Popen(mark)
    subprocess.Popen(mark, start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", mark)
        os._exit(0)
    os.wait()

def hang():
    leave_behind()
    time.sleep(600)

def crash():
    leave_behind()
    os.abort()

def many():
    for _ in range(400):
        subprocess.Popen(["sleep", "600"])

def environment_of(path):
    try:
        return open(path, "rb").read()
    except OSError:
        return b""

def read_environments():
    return int(any(b"${secret}" in environment_of(path) for path in glob.glob("/proc/[0-9]*/environ")))

with os.fdopen(3, "rb", closefd=False) as requests:
    def say(message):
        os.write(3, json.dumps(message).encode() + b"\n")
    say({"ready": True})
    for line in requests:
        request = json.loads(line)
        score = globals()[request["act"]]()
        say({"id": request["id"], "score": score or 0})
`;

/** Seconds that no other test sleeps, to find the sleepers by. */
let sleeper = 100_000 + (process.pid % 50_000);

async function start(containment: Containment): Promise<{ scorer: ScorerProcess; leftBehind: string }> {
  const folder = scorerFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  sleeper += 1;
  const leftBehind = String(sleeper);
  const scorer = await startScorerProcess(
    {
      command: 'python3',
      args: [folder.write('acts.py', script)],
      env: { PATH: process.env['PATH'], LEFT_BEHIND: leftBehind },
      memoryMebibytes: 256,
      containment,
      startTimeoutMs: 60_000,
      guardian: { watch() {}, forget() {}, release() {} },
      output: createProcessOutput(
        createLogger({ service: 'reward', level: 'silent' }),
        { scorer: 'acts' },
        'a scorer prints',
      ),
    },
    new AbortController().signal,
  );
  if ('kind' in scorer) throw new Error(scorer.detail);
  onTestFinished(() => scorer.kill());
  return { scorer, leftBehind };
}

function sleepersOf(leftBehind: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `sleep\0${leftBehind}\0`;
    } catch {
      return false;
    }
  });
}

describe.each(levels)('P2: a scorer with %s', (_name, containment) => {
  test('may not hold more memory with its children than alone', async () => {
    const { scorer } = await start(containment);
    expect(await scorer.ask({ act: 'memory' }, 100_000)).toMatchObject({ reason: 'out_of_memory' });
  });

  test('is ended for what it started while nobody waits for it', async () => {
    const { scorer } = await start(containment);
    expect(await scorer.ask({ act: 'slowly_in_the_background' }, 100_000)).not.toHaveProperty('reason', 'timeout');
    await expect.poll(() => scorer.alive, { timeout: 60_000 }).toBe(false);
    expect(await scorer.ask({ act: 'memory' }, 100_000)).toMatchObject({ reason: 'out_of_memory' });
  });

  test('leaves nothing behind that it started when it is ended', async () => {
    const { scorer, leftBehind } = await start(containment);
    const asked = scorer.ask({ act: 'hang' }, 600_000);
    await expect.poll(() => sleepersOf(leftBehind).length, { timeout: 60_000 }).toBe(3);
    await scorer.kill();
    expect(await asked).toMatchObject({ reason: 'unavailable' });
    await expect.poll(() => sleepersOf(leftBehind), { timeout: 60_000 }).toEqual([]);
  });

  test('leaves nothing behind that it started when it ends by itself', async () => {
    const { scorer, leftBehind } = await start(containment);
    expect(await scorer.ask({ act: 'crash' }, 100_000)).toMatchObject({ reason: 'crashed' });
    await expect.poll(() => sleepersOf(leftBehind), { timeout: 60_000 }).toEqual([]);
  });

  test('may not start processes without end', async () => {
    const { scorer } = await start(containment);
    expect(await scorer.ask({ act: 'many' }, 100_000).then(() => scorer.ask({ act: 'many' }, 100_000))).toMatchObject({
      reason: 'crashed',
      detail: expect.stringContaining('at most 256'),
    });
  });
});

test.skipIf(found.namespace === undefined)(
  'in a namespace of its own a scorer finds no secret in the environment of any process',
  async () => {
    const holder = spawn('sleep', ['600'], { env: { JUDGE_KEY: secret } });
    onTestFinished(() => void holder.kill());
    const { scorer: open } = await start(bare);
    expect(await open.ask({ act: 'read_environments' }, 60_000)).toMatchObject({ score: 1 });
    const { scorer } = await start(found);
    expect(await scorer.ask({ act: 'read_environments' }, 60_000)).toMatchObject({ score: 0 });
  },
);

test('what a system does not offer is said with what would make it so', () => {
  expect(lackingContainment({ namespace: [], cgroup: { directory: '/', version: 2 } })).toEqual([]);
  expect(lackingContainment(bare).map((line) => line.split(':')[0])).toEqual([
    'no process namespace',
    'no memory control group',
  ]);
});

test('P2: where no control group can be made any more, a scorer is absent and its service goes on', async () => {
  const gone: Containment = { ...bare, cgroup: { directory: '/sys/fs/cgroup/not-there', version: 2 } };
  await expect(start(gone)).rejects.toThrow('its control group cannot be made');
});
