import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createLogger } from '#shared/telemetry/logging.ts';
import { createScorerOutput } from './scorer-output.ts';
import { startScorerProcess } from './scorer-process.ts';
import { scorerFolder } from './scorers-under-test.ts';

/** Leaves a process behind that is out of reach: in a session of its own, with the outputs held open. */
const script = `
setsid sleep 600 &
echo $! > "$(dirname "$0")/left.pid"
echo '{"ready": true}' >&3
read -r request <&3
exit 3
`;

test('a process that is gone holds no descriptor, even if another has its outputs', async () => {
  const folder = scorerFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const path = folder.write('own.sh', script);
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const guardian = { watch() {}, forget() {}, release() {} };
  const output = createScorerOutput(createLogger({ service: 'reward', level: 'silent' }), 'own');
  const before = descriptors();
  const started = await startScorerProcess(
    {
      command: '/bin/sh',
      args: [path],
      env: process.env,
      memoryMebibytes: 512,
      startTimeoutMs: 60_000,
      guardian,
      output,
    },
    new AbortController().signal,
  );
  if ('kind' in started) throw new Error(started.detail);
  onTestFinished(() => void process.kill(Number(readFileSync(join(dirname(path), 'left.pid'), 'utf8')), 'SIGKILL'));
  expect(descriptors()).toBe(before + 3);
  expect(await started.ask({}, 60_000)).toMatchObject({
    reason: 'crashed',
    detail: 'its process ended with exit code 3',
  });
  await expect.poll(descriptors, { timeout: 30_000 }).toBe(before);
});
