import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { startGradus } from './gradus-process.ts';

const recipe = resolve(import.meta.dirname, '../../recipes/rollouts-scripted.yaml');

async function coordinatorOf(home: string): Promise<string> {
  const file: { services: { service: string; grpc?: string }[] } = JSON.parse(
    await readFile(join(home, 'fleet.json'), 'utf8'),
  );
  const found = file.services.find(({ service }) => service === 'coordinator')?.grpc;
  if (found === undefined) throw new Error('the fleet names no coordinator');
  return found;
}

/** One command that ends by itself: its exit code and all that it said. */
async function gradus(directory: string, ...args: readonly string[]): Promise<readonly [number | string, string]> {
  const command = startGradus(directory, ...args);
  const code = await command.exit(300_000);
  return [code, command.output()];
}

test('P9: a recipe that is submitted from another folder runs on the fleet of a server, is listed, followed, read and cancelled from there; what is wrong is told by the server', async () => {
  const there = await temporaryDirectory('gradus-server-');
  const here = await temporaryDirectory('gradus-client-');
  const up = startGradus(
    there,
    'up',
    recipe,
    '--set',
    'fleet.workers=1',
    '--set',
    'fleet.engines=1',
    '--set',
    'stages.0.until.steps=2',
  );
  await up.says(/the fleet is up/);
  const server = await coordinatorOf(join(there, 'runs'));
  const at = ['--server', server];
  const text = (await readFile(recipe, 'utf8')).replace('../policies/nano', 'policy');
  // Neither the folder of the fleet nor the model is here; the model is named as the server names it.
  await writeFile(join(here, 'mine.yaml'), (await readFile(recipe, 'utf8')).replace('steps: 10', 'steps: 2'));

  expect(await gradus(here, 'list', ...at)).toEqual([0, 'no runs\n']);
  const [code, said] = await gradus(here, 'run', 'mine.yaml', '--run-id', 'one', '--priority', '3', ...at);
  expect(code, said).toBe(0);
  expect(said).toContain(`started run one at ${server}`);
  expect(said).toContain('note: fleet: the server');
  expect(said).toContain('0 lost, 0 counted twice');
  expect(said).toContain(`its files lie on the server, in ${join(there, 'runs/one')}`);

  const [, listed] = await gradus(here, 'list', ...at);
  expect(listed).toMatch(/one\s.*finished.*1\/1 play.*2\/2.*3/);
  const [, status] = await gradus(here, 'status', 'one', ...at);
  expect(status).toContain('finished');
  const [, logs] = await gradus(here, 'logs', 'one', '--follow', ...at);
  const lines = logs.trimEnd().split('\n');
  expect(lines[0]).toContain('started with seed 1');
  expect(lines.at(-1)).toContain('finished');
  expect(logs).toContain('step 2 of play');
  const [, position = ''] = lines.at(-2)?.split(' ') ?? [];
  const [, rest] = await gradus(here, 'logs', 'one', '--after', position, ...at);
  expect(rest.trimEnd()).toBe(lines.at(-1));
  const [, metrics] = await gradus(here, 'logs', 'one', '--metrics', ...at);
  expect(metrics).toBe(await readFile(join(there, 'runs/one/metrics.jsonl'), 'utf8'));

  const refusals: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['run', 'mine.yaml', '--run-id', 'one'], 2, /'one' is the name of an earlier run/],
    [['logs', 'two'], 2, /there is no run 'two'/],
    [['status', 'two'], 2, /there is no run 'two'/],
    [['cancel', 'two'], 2, /there is no run 'two'/],
    [['cancel', 'one'], 2, /run one has ended already \(finished\)/],
    [['submit', 'mine.yaml', '--priority', '11'], 2, /whole number from 1 to 10/],
  ];
  for (const [args, expected, message] of refusals) {
    const [refused, why] = await gradus(here, ...args, ...at);
    expect(why, args.join(' ')).toMatch(message);
    expect(refused, why).toBe(expected);
  }

  // All problems at once, from the server.
  await writeFile(join(here, 'wrong.yaml'), text.replace('seed: 1', 'seed: -1').replace('steps: 10', 'stepz: 10'));
  const [wrong, problems] = await gradus(here, 'submit', 'wrong.yaml', ...at);
  expect(wrong, problems).toBe(2);
  expect(problems).toContain('wrong.yaml has 3 problems');
  expect(problems).toMatch(/seed: [^]*stepz/);

  // Inputs that the server has not, by name.
  await mkdir(join(here, 'policy'));
  for (const name of ['config.json', 'tokenizer.json']) await writeFile(join(here, 'policy', name), '{}');
  await writeFile(join(here, 'other.yaml'), text);
  const [other, missing] = await gradus(here, 'submit', 'other.yaml', ...at);
  expect(other, missing).toBe(2);
  expect(missing).toMatch(/model: is {"path":"policy"}/);
  expect(missing).toContain('model/config.json: the server has another file');

  // A run that goes on is left by its terminal and cancelled from another one; the address comes from the environment.
  await writeFile(join(here, 'long.yaml'), (await readFile(recipe, 'utf8')).replace('steps: 10', 'steps: 10000'));
  const [submitted, how] = await gradus(here, 'submit', 'long.yaml', '--run-id', 'long', ...at);
  expect(submitted, how).toBe(0);
  expect(how).toContain("'gradus logs long --follow --server");
  const follower = startGradus(here, 'logs', 'long', '-f', ...at);
  await follower.says(/step 2 of play/);
  const [busy, full] = await gradus(here, 'submit', 'mine.yaml', '--no-queue', ...at);
  expect(busy, full).toBe(2);
  expect(full).toMatch(/1 of at most 1 runs \(long\)/);
  const [cancelled, end] = await gradus(here, 'cancel', 'long', ...at);
  expect(cancelled, end).toBe(0);
  expect(end).toContain('run long is stopped');
  expect(await follower.exit(120_000), follower.output()).toBe(0);
  expect(follower.output()).toContain('asked to stop after the step (gradus cancel)');

  // Servers that are none.
  const [gone, silence] = await gradus(here, 'list', '--server', '127.0.0.1:1');
  expect(gone, silence).toBe(4);
  expect(silence).toContain('no server answers at 127.0.0.1:1');
  const services: { services: { service: string; grpc?: string }[] } = JSON.parse(
    await readFile(join(there, 'runs/fleet.json'), 'utf8'),
  );
  const gateway = services.services.find(({ service }) => service === 'policy')?.grpc ?? '';
  const [foreign, what] = await gradus(here, 'list', '--server', gateway);
  expect(foreign, what).toBe(2);
  expect(what).toContain('is no coordinator, or one of an earlier version');

  // What is left in the home is told without a fleet too.
  up.process.kill('SIGTERM');
  await up.exit(300_000);
  const [, resting] = await gradus(there, 'list');
  expect(resting).toMatch(/long\s.*stopped[^]*one\s.*finished/);
  const [, old] = await gradus(there, 'logs', 'one');
  expect(old).toBe(logs);
});
