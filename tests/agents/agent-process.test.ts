import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { useRolloutFleet, type RolloutFleet } from '../rollout/fleet.ts';
import { agentFolder, agentTask, modelWithTemplate, pidsNaming, processesNaming } from './agents.ts';

const startFleet = useRolloutFleet();

const asking = `
const messages = [{ role: 'user', content: 'Who?' }];
async function ask() {
  const { OPENAI_BASE_URL: url, OPENAI_API_KEY: key } = process.env;
  const headers = { 'content-type': 'application/json', authorization: 'Bearer ' + key };
  const body = JSON.stringify({ model: 'any', messages });
  const response = await fetch(url + '/chat/completions', { method: 'POST', headers, body });
  if (!response.ok) throw new Error(await response.text());
  messages.push((await response.json()).choices[0].message);
}
`;
const agents = {
  silent: '',
  'throws.mjs': `${asking}await ask();\nmessages.nothing.at(0);`,
  endless: `for (;;) { await ask(); messages.push({ role: 'user', content: 'And?' }); }`,
  hangs: `await ask(); setInterval(() => {}, 1000); await new Promise(() => {});`,
  aborts: `await ask(); process.abort();`,
  loud: `await ask(); for (let i = 0; i < 2000; i += 1) if (!process.stdout.write('x'.repeat(100_000))) await new Promise((done) => process.stdout.once('drain', done));`,
  bomb: `await ask(); const { spawn } = await import('node:child_process'); for (let i = 0; i < 400; i += 1) spawn('sleep', ['600'], { detached: true }); await new Promise((done) => setTimeout(done, 600_000));`,
  large: `await ask(); messages.push({ role: 'user', content: 'x'.repeat(600_000) }); await ask();`,
  pipe: `await ask(); const { execFileSync } = await import('node:child_process'); execFileSync('mkfifo', [process.env.GRADUS_RESULT_FILE]);`,
  attached: `await ask();
    const { GRADUS_SESSION_URL: session, OPENAI_API_KEY: key } = process.env;
    const headers = { 'content-type': 'application/json', authorization: 'Bearer ' + key };
    const post = async (what, body) => (await fetch(session + what, { method: 'POST', headers, body: JSON.stringify(body) })).status;
    // Its result is its file's; its rewards may come from anywhere.
    if ((await post('/result', { prediction: 'x' })) !== 400) throw new Error('a result was taken');
    if ((await post('/rewards', { mine: 0.5 })) !== 204) throw new Error('a reward was not taken');`,
  reward: `await ask(); const { writeFileSync } = await import('node:fs'); writeFileSync(process.env.GRADUS_RESULT_FILE, '{"rewards": {"mine": "high"}}');`,
};

async function started(): Promise<{ fleet: RolloutFleet; folder: string; play: typeof play }> {
  const files = Object.fromEntries(
    Object.entries(agents).map(([name, text]) =>
      name.endsWith('.mjs') ? [name, text] : [`${name}.mjs`, name === 'silent' ? text : asking + text],
    ),
  );
  const folder = await agentFolder(files);
  const fleet = await startFleet({ script: () => 'Verland Coast', tokenizer: await modelWithTemplate() });
  return { fleet, folder, play };

  async function play(name: string, options: object = {}, toolTimeoutMs = 30_000) {
    const limits = { contextTokens: 512, maxTurns: 4, toolTimeoutMs, turnTimeoutMs: 60_000, rolloutTimeoutMs: 120_000 };
    const command = [process.execPath, join(folder, `${name}.mjs`)];
    const taskId = `${name}-${Object.keys(options).join()}`;
    await fleet.publish(agentTask(taskId, { command, directory: folder, ...options }, { limits }));
    return await fleet.resultOf(taskId);
  }
}

test("P2: a fault of the agent stops the run with its own words; what the policy did is the policy's", async () => {
  const { play, folder } = await started();
  expect(await play('silent')).toMatchObject({
    failure: FailureClass.USER_ENVIRONMENT,
    failureDetail: expect.stringContaining('the agent ended before it asked the model'),
  });
  const threw = await play('throws');
  expect(threw.failure).toBe(FailureClass.USER_ENVIRONMENT);
  expect(threw.failureDetail).toMatch(/the agent failed: it ended with exit code 1.*throws\.mjs:\d+/s);
  expect(await play('throws', { failed_exit: 'malformed_turn' })).toMatchObject({
    failure: FailureClass.MALFORMED_TURN,
    components: { exact_match: 0 },
  });
  expect(await play('aborts', { failed_exit: 'malformed_turn' })).toMatchObject({
    failure: FailureClass.MALFORMED_TURN,
  });
  expect((await play('reward', { rewards: ['mine'] })).failureDetail).toContain('GRADUS_RESULT_FILE rewards.mine: ');
  expect(await play('attached', { rewards: ['mine'] })).toMatchObject({
    failure: FailureClass.UNSPECIFIED,
    prediction: 'Verland Coast',
    components: { mine: 0.5 },
  });
  expect((await play('pipe')).failureDetail).toContain('GRADUS_RESULT_FILE is not a regular file');
  expect(await play('large')).toMatchObject({ failure: FailureClass.CONTEXT_OVERFLOW, components: { exact_match: 0 } });
  expect(await play('endless')).toMatchObject({
    failure: FailureClass.TURN_LIMIT,
    turns: 4,
    environmentMetrics: { conversations: 1 },
  });
  expect(await play('loud')).toMatchObject({ failure: FailureClass.UNSPECIFIED, prediction: 'Verland Coast' });
  // One that hangs is tried again, and has no reward.
  expect(await play('hangs', {}, 500)).toMatchObject({ failure: FailureClass.TOOL_UNAVAILABLE, components: {} });
  expect(await play('bomb')).toMatchObject({
    failure: FailureClass.USER_ENVIRONMENT,
    failureDetail: expect.stringMatching(/at most 256/),
  });
  // None of them outlives its episode.
  await expect.poll(() => processesNaming(folder)).toBe(0);
});

test('P2: an agent that somebody else ends is tried again, and absent in the end: no fault of its author', async () => {
  const { play, folder } = await started();
  const result = play('hangs');
  const end = setInterval(() => {
    for (const pid of pidsNaming(join(folder, 'hangs.mjs'))) process.kill(pid, 'SIGKILL');
  }, 500);
  onTestFinished(() => clearInterval(end));
  expect(await result).toMatchObject({
    failure: FailureClass.TOOL_UNAVAILABLE,
    failureDetail: expect.stringContaining('ended from outside'),
    components: {},
  });
});
