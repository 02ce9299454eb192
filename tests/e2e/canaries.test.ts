/** Secrets that are planted where people keep them, and looked for everywhere that a run writes. */
import { createServer, request as ask } from 'node:http';
import { request } from 'node:https';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { addToken } from '../../services/cli/credentials/write-credentials.ts';
import { startOtlpCollector } from '../fixtures/otlp-collector.ts';
import { newCredentials, pemsOf } from '../security/certificates.ts';
import { filesWith } from './files-with.ts';
import { readJson, startGradus, until } from './gradus-process.ts';

const root = resolve(import.meta.dirname, '../..');
const canary = (name: string): string => `canary-${name}-${'0123456789abcdef'.repeat(2)}`;
/** By variable: keys of other programs that a shell may hold, and the one that the recipe names. */
const variables = {
  CANARY_JUDGE_KEY: canary('judge'),
  HF_TOKEN: canary('hub'),
  OPENAI_API_KEY: canary('openai'),
  AWS_SECRET_ACCESS_KEY: canary('store'),
};
/** In the name of the recipe: what looks for secrets has to find this. */
const marker = 'planted-0123456789';

const recipe = (judge: string): string => `
name: ${marker}
model: { path: ${join(root, 'policies/nano')} }
data: { world: { seed: 7, train: 20, held_out: 12 } }
environment: { name: search }
judges: { main: { base_url: ${judge}, model: scripted, api_key_env: CANARY_JUDGE_KEY, retry_base_ms: 1, retry_max_ms: 4 } }
scorers: { grade: { kind: grade, judge: main } }
fleet: { engine: { kind: scripted, max_context: 1024 }, scripted: { turns: 2, right_probability: 0.5 } }
stages:
  - name: held-out
    kind: eval
    limits: { context_tokens: 640, max_new_tokens: 96, turn_timeout_ms: 30000, rollout_timeout_ms: 60000 }
    rewards: { exact_match: 0, f1: 0, grade: 1 }
    success: { metric: grade }
`;

/** A judge by rule behind a server that wants the key, and repeats it in its complaints. */
async function startJudge(directory: string) {
  const judge = startGradus(directory, 'serve', 'scripted-judge', '--http', '127.0.0.1:0');
  await judge.says(/"http":"127\.0\.0\.1:[1-9]/);
  const [, port = ''] = /"http":"127\.0\.0\.1:([1-9]\d*)/.exec(judge.output()) ?? [];
  const seen = { asked: 0, withKey: 0 };
  const server = createServer((incoming, answer) => {
    seen.asked += 1;
    const { method, url, headers } = incoming;
    if (headers.authorization === `Bearer ${variables.CANARY_JUDGE_KEY}`) seen.withKey += 1;
    if (seen.asked % 3 === 1) {
      const message = `overloaded, said to ${headers.authorization}`;
      return void answer
        .writeHead(500, { 'content-type': 'application/json' })
        .end(JSON.stringify({ error: { message } }));
    }
    incoming.pipe(
      ask({ host: '127.0.0.1', port, method, path: url, headers }, (response) => {
        answer.writeHead(response.statusCode ?? 500, response.headers);
        response.pipe(answer);
      }).on('error', () => answer.destroy()),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const bound = server.address();
  return { url: `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}/v1`, seen };
}

async function metricsOf(address: string, ca: Buffer, token: string): Promise<readonly [number, string]> {
  const [host, port] = address.split(':');
  return await new Promise((done, fail) => {
    request(
      { host, port, path: '/metrics', ca, headers: { authorization: `Bearer ${token}` }, agent: false },
      (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
        answer.on('end', () => done([answer.statusCode ?? 0, text]));
      },
    )
      .on('error', fail)
      .end();
  });
}

interface Served {
  readonly pid: number;
  readonly service: string;
  readonly metrics?: string;
}

test('P9: keys and tokens that a run uses, or that lie about, are in no log, file, ledger, trace, metric or command line of it', async () => {
  const directory = await temporaryDirectory('gradus-canaries-');
  const credentials = await newCredentials();
  const token = await addToken({ directory: credentials, role: 'metrics', name: 'test', days: 1, nowMs: Date.now() });
  const wrongToken = canary('wrong-token');
  using collector = await startOtlpCollector();
  const environment = { ...variables, GRADUS_OTLP_ENDPOINT: collector.url };
  Object.assign(process.env, environment);
  onTestFinished(() => {
    for (const name of Object.keys(environment)) delete process.env[name];
  });
  const judge = await startJudge(directory);
  await writeFile(join(directory, 'judged.yaml'), recipe(judge.url));

  const home = join(directory, 'runs');
  const up = startGradus(directory, 'up', 'judged.yaml', '--credentials', credentials);
  await up.says(/the fleet is up/);
  const { services } = (await readJson(join(home, 'fleet.json'))) as { services: Served[] };
  const run = startGradus(directory, 'run', 'judged.yaml', '--run-id', 'planted');
  await until(
    () => judge.seen.asked > 0,
    300_000,
    () => `the judge was not asked: ${run.output()}`,
  );
  const commandLines = await Promise.all(
    services.map(async ({ pid }) => await readFile(`/proc/${pid}/cmdline`, 'utf8')),
  );
  expect([await run.exit(), run.output()]).toEqual([0, expect.stringContaining('run planted finished')]);
  const coordinator = services.find(({ service }) => service === 'coordinator')?.metrics ?? '';
  const { ca } = await pemsOf(credentials, 'metrics');
  const [admitted, metrics] = await metricsOf(coordinator, ca, token);
  const [refused] = await metricsOf(coordinator, ca, wrongToken);
  up.process.kill('SIGTERM');
  await up.exit();

  // What was planted was used, and what looks for it finds what is there.
  expect([admitted, refused]).toEqual([200, 401]);
  expect(judge.seen.withKey).toBe(judge.seen.asked);
  expect(judge.seen.asked).toBeGreaterThan(3);
  expect(collector.spans.length).toBeGreaterThan(10);
  expect(await filesWith(home, [marker])).toContainEqual(expect.stringContaining('/nats/'));
  expect(commandLines.length).toBeGreaterThan(4);

  const secrets = [...Object.values(variables), token, wrongToken];
  expect(await filesWith(home, secrets)).toEqual([]);
  const texts = { commandLines, metrics, spans: collector.spans, said: up.output() + run.output() };
  for (const [where, text] of Object.entries(texts))
    for (const secret of secrets) expect([where, JSON.stringify(text).includes(secret)]).toEqual([where, false]);
});

test('a password in the address of NATS is in no word of a service, also where it cannot be reached', async () => {
  const directory = await temporaryDirectory('gradus-canaries-');
  const password = canary('nats');
  process.env['GRADUS_NATS_URL'] = `nats://ada:${password}@127.0.0.1:1`;
  onTestFinished(() => void delete process.env['GRADUS_NATS_URL']);
  const service = startGradus(directory, 'serve', 'coordinator', '--policy', '127.0.0.1:1');
  expect(await service.exit()).toBe(1);
  expect(service.output()).toContain('no NATS server answers at nats://***@127.0.0.1:1');
  expect(service.output()).not.toContain(password);
});
