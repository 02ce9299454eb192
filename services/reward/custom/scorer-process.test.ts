import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { isAlive } from '#platform/runtime/process-identity.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createProcessOutput } from '#user-code/process-output.ts';
import { startScorerProcess } from './scorer-process.ts';
import { scorerFolder } from './scorers-under-test.ts';

/** Leaves a process behind that no signal to the group reaches, and that prints as long as somebody reads. */
const script = `
cd "$(dirname "$0")"
setsid sh -c 'echo $$ > left.pid; while echo here; do sleep 0.1; done' &
until [ -s left.pid ]; do sleep 0.05; done
echo '{"ready": true}' >&3
read -r request <&3
exit 3
`;

test('when a process is gone nobody holds its outputs open, not even for what it left behind', async () => {
  const folder = scorerFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const path = folder.write('own.sh', script);
  const started = await startScorerProcess(
    {
      command: '/bin/sh',
      args: [path],
      env: process.env,
      memoryMebibytes: 512,
      containment: { namespace: undefined, cgroup: undefined },
      startTimeoutMs: 60_000,
      guardian: { watch() {}, forget() {}, release() {} },
      output: createProcessOutput(
        createLogger({ service: 'reward', level: 'silent' }),
        { scorer: 'own' },
        'a scorer prints',
      ),
    },
    new AbortController().signal,
  );
  if ('kind' in started) throw new Error(started.detail);
  const left = Number(readFileSync(join(dirname(path), 'left.pid'), 'utf8'));
  onTestFinished(() => {
    if (isAlive(left)) process.kill(left, 'SIGKILL');
  });
  expect(isAlive(left)).toBe(true);
  const detail = 'its process ended with exit code 3';
  expect(await started.ask({}, 60_000)).toMatchObject({ reason: 'crashed', detail });
  await expect.poll(() => isAlive(left), { timeout: 30_000 }).toBe(false);
});
