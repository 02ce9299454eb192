/** Plays what docs/how-to/agents-elsewhere.md says, from its own code blocks. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { agentOptions, type AgentOptions } from '#environments/agent/options.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { agentFolder, agentTask, modelWithTemplate } from '../agents/agents.ts';
import { useRolloutFleet } from '../rollout/fleet.ts';

const startFleet = useRolloutFleet();
const page = await readFile(join(repositoryRoot, 'docs/how-to/agents-elsewhere.md'), 'utf8');
const blocks = Object.fromEntries(
  [...page.matchAll(/^```\w+ file=(\S+)\n(.*?)^```$/gms)].map(([, name = '', text = '']) => [name, text]),
);

/** The options of a recipe of the page, which the whole of it has to be right for. */
function optionsOf(file: string): AgentOptions {
  const { environment } = parseRecipe(blocks[file] ?? '', join(repositoryRoot, file));
  return agentOptions.parse(environment.options);
}

async function startWith(variables: NodeJS.ProcessEnv) {
  return await startFleet({ script: () => 'Verland Coast', tokenizer: await modelWithTemplate(), variables });
}

/** A program of the page; ends with the test. */
async function run(file: string, variables: Record<string, string>) {
  const folder = await agentFolder(blocks);
  const child = spawn(process.execPath, [file], {
    cwd: folder,
    env: { ...process.env, ...variables },
    stdio: 'inherit',
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return await new Promise<number | null>((done) => child.once('exit', done));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

test('the page on agents that run elsewhere: a webhook', async () => {
  const port = await freePort();
  void run('server.mjs', { PORT: String(port), HOOK_SECRET: 'sesame' });
  const { webhook, rewards } = optionsOf('webhook.yaml');
  const url = webhook?.url.replace('9000', String(port));
  const fleet = await startWith({ HOOK_SECRET: 'sesame' });
  // The server may still be starting: it is asked until it answers.
  await fleet.publish(agentTask('hook', { webhook: { ...webhook, url }, rewards, start_timeout_ms: 50_000 }));
  expect(await fleet.resultOf('hook')).toMatchObject({
    failure: FailureClass.UNSPECIFIED,
    prediction: 'Verland Coast',
    components: { exact_match: 1, brevity: 1 },
  });
});

test('the page on agents that run elsewhere: sessions that somebody else opens, with a reward that comes later', async () => {
  const fleet = await startWith({ OPEN_KEY: 'sesame' });
  const client = async () =>
    await run('client.mjs', { GATEWAY: `http://${fleet.policy.sessions}`, OPEN_KEY: 'sesame' });
  expect(await client()).toBe(75);
  const { open, rewards, reward_timeout_ms } = optionsOf('open.yaml');
  const sessions = { listen: fleet.policy.sessions };
  await fleet.publish(agentTask('open', { open: { ...open, wait_ms: 50_000 }, rewards, reward_timeout_ms, sessions }));
  // 75 says that no episode waits yet.
  await expect.poll(client, { timeout: 100_000 }).toBe(0);
  expect(await fleet.resultOf('open')).toMatchObject({
    failure: FailureClass.UNSPECIFIED,
    prediction: 'Verland Coast',
    components: { exact_match: 1, thumbs: 1 },
  });
});

test('the page on agents that run elsewhere: its other options are options', () => {
  const [polled, sessions] = [...page.matchAll(/^```yaml\n {4}(\w+):\n(.*?)^```$/gms)].map(
    ([, name = '', text = '']) => [name, text],
  );
  expect([polled?.[0], sessions?.[0]]).toEqual(['webhook', 'sessions']);
  const recipe = (options: string): string => (blocks['webhook.yaml'] ?? '').replace(/ {4}webhook:.*\n/, options);
  const listed = ([name = '', text = '']: readonly string[] = []): string => `    ${name}:\n${text}`;
  const inline = /( {4}webhook:.*\n)/.exec(blocks['webhook.yaml'] ?? '')?.[1] ?? '';
  for (const options of [listed(polled), inline + listed(sessions)])
    expect(() => parseRecipe(recipe(options), join(repositoryRoot, 'webhook.yaml'))).not.toThrow();
});
