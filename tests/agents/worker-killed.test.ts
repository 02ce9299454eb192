import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { useRolloutFleet } from '../rollout/fleet.ts';
import { agentFolder, agentTask, modelWithTemplate, processesNaming } from './agents.ts';

const startFleet = useRolloutFleet();

/** Asks once; where nobody has told it to go on, it then waits for good, with a child that hides from it. */
const agent = `
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import OpenAI from 'openai';
const client = new OpenAI();
await client.chat.completions.create({ model: 'any', messages: [{ role: 'user', content: 'Who?' }] });
if (!existsSync('go-on')) {
  spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)', process.cwd() + '/child'], { detached: true, stdio: 'ignore' }).unref();
  await new Promise(() => setInterval(() => {}, 1e6));
}
`;

test('P1: a worker killed in the middle of a session takes its agent with it; the rollout is played again, and counts once', async () => {
  const folder = await agentFolder({ 'agent.mjs': agent });
  const fleet = await startFleet({ script: () => 'Verland Coast', tokenizer: await modelWithTemplate(), workers: 0 });
  const main = join(import.meta.dirname, '../../services/rollout/main.ts');
  const flags = { 'nats-url': fleet.natsUrl, policy: fleet.policy.address, reward: fleet.reward.address };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
  const worker = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], { stdio: 'ignore' });
  onTestFinished(() => void worker.kill('SIGKILL'));
  const limits = {
    contextTokens: 512,
    maxTurns: 4,
    toolTimeoutMs: 300_000,
    turnTimeoutMs: 400_000,
    rolloutTimeoutMs: 500_000,
  };
  const command = [process.execPath, join(folder, 'agent.mjs')];
  await fleet.publish(agentTask('killed', { command, directory: folder, start_timeout_ms: 300_000 }, { limits }));
  await expect.poll(() => processesNaming(join(folder, 'child')), { timeout: 200_000 }).toBe(1);
  worker.kill('SIGKILL');
  await expect.poll(() => processesNaming(folder), { timeout: 100_000 }).toBe(0);
  expect(fleet.results).toEqual([]);

  await writeFile(join(folder, 'go-on'), '');
  await fleet.addWorker({ workerId: 'worker-second' });
  const result = await fleet.resultOf('killed', 200_000);
  expect(result).toMatchObject({
    failure: FailureClass.UNSPECIFIED,
    prediction: 'Verland Coast',
    reward: 1,
    turns: 1,
    workerId: 'worker-second',
  });
  // A second sampling of the same turn, and one result.
  expect(fleet.engine.generated).toHaveLength(2);
  await expect.poll(() => fleet.tasksLeft(), { timeout: 100_000 }).toBe(0);
  expect(fleet.results).toHaveLength(1);
}, 600_000);
