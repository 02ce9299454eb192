import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { userFolder } from '../../services/environments/python/files-under-test.ts';
import { useRolloutFleet } from './fleet.ts';
import { taskOf } from './task.ts';

const start = useRolloutFleet();

/** Each starts a process that hides from its parent, and then holds still forever. */
const typescript = (folder: string) => `
import { spawn } from 'node:child_process';
import { defineEnvironment, z } from 'gradus/environment';
export default defineEnvironment({
  name: 'hides', about: 'A test.', options: z.strictObject({}), row: { data: z.any(), gold: z.any() }, primaryMetric: 'reward',
  open: () => ({ stop: [], start: () => ({ prompt: () => 'go', step() {
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)', '${folder}/child-ts'], { detached: true, stdio: 'ignore' }).unref();
    for (;;) {}
  } }) }),
});
`;
const python = (folder: string) => `
import subprocess, sys
class Hides:
    def reset(self, row): return "go"
    def step(self, text):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(86400)", "${folder}/child-py"], start_new_session=True)
        while True: pass
`;
const tool = (folder: string) => `
import { spawn } from 'node:child_process';
import { tools, z } from 'gradus/tools';
export default tools({ hide: { description: 'Hides.', input: z.strictObject({}), run() {
  spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)', '${folder}/child-tool'], { detached: true, stdio: 'ignore' }).unref();
  return new Promise(() => {});
} } });
`;

test('no process of an environment outlives a worker that is ended by SIGKILL, whatever it does', async () => {
  const files = userFolder();
  onTestFinished(() => files[Symbol.dispose]());
  const folder = dirname(files.write('x', ''));
  const own = files.write('hides.ts', typescript(folder));
  const path = files.write('hides.py', python(folder));
  const hide = files.write('tool.ts', tool(folder));
  const fleet = await start({ script: () => '<tool>{"name": "hide", "args": {}}</tool>', workers: 0 });
  const flags = {
    'nats-url': fleet.natsUrl,
    policy: fleet.policy.address,
    reward: fleet.reward.address,
    'environment-files': own,
    'environment-start-timeout-ms': '600000',
  };
  const main = join(import.meta.dirname, '../../services/rollout/main.ts');
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
  const worker = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], { stdio: 'ignore' });
  onTestFinished(() => void worker.kill('SIGKILL'));

  const limits = {
    contextTokens: 512,
    maxTurns: 4,
    toolTimeoutMs: 500_000,
    turnTimeoutMs: 510_000,
    rolloutTimeoutMs: 520_000,
  };
  const environments = {
    hides: {},
    python: { path, class: 'Hides', timeout_ms: 600_000, start_timeout_ms: 600_000 },
    tools: {
      files: [{ path: hide, session: 'per_episode' }],
      prompt_template: '{question}',
      start_timeout_ms: 600_000,
    },
  };
  for (const [environment, options] of Object.entries(environments))
    await fleet.publish(
      taskOf(`${environment}-1`, { environment, environmentOptionsJson: JSON.stringify(options), limits }),
    );
  const running = (): string => commandsWith(folder).join('\n');
  for (const child of ['child-ts', 'child-py', 'child-tool'])
    await expect.poll(running, { timeout: 200_000, interval: 200 }).toContain(child);
  worker.kill('SIGKILL');
  // The worker's own command names the folder, too.
  await expect.poll(running, { timeout: 60_000, interval: 200 }).toBe('');
}, 400_000);

/** Command lines that name the folder, however deep in namespaces. */
function commandsWith(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => read(`/proc/${pid}/cmdline`).replaceAll('\0', ' '))
    .filter((command) => command.includes(folder));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
