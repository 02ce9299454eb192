import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { startGradus } from './gradus-process.ts';

const recipe = resolve(import.meta.dirname, '../../recipes/rollouts-scripted.yaml');
/** Of the run that is stopped and resumed. */
const steps = 20;

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

test('P9: a recipe that is submitted from another folder runs on the fleet of a server, is listed, followed, read, fetched and cancelled from there; a second one waits for room; what is wrong is told by the server', async () => {
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
    // A run that is to be stopped goes on for longer than a command takes to start.
    '--set',
    'fleet.scripted.step_ms=1000',
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
  // There is room for one: what is sent meanwhile waits, in the order in which it came.
  const queued = async (file: string, runId: string) => await gradus(here, 'submit', file, '--run-id', runId, ...at);
  await writeFile(join(here, 'more.yaml'), (await readFile(recipe, 'utf8')).replace('steps: 10', `steps: ${steps}`));
  expect(await queued('mine.yaml', 'second')).toEqual([0, expect.stringMatching(/second is queued, place 1 \(.*long/)]);
  expect(await queued('more.yaml', 'third')).toEqual([0, expect.stringContaining('third is queued, place 2')]);
  const [, waiting] = await gradus(here, 'list', ...at);
  expect(waiting).toMatch(/second\s.*queued, place 1/);
  expect(waiting).toMatch(/run second waits: .*long/);
  expect((await gradus(here, 'status', 'third', ...at))[1]).toContain('queued, place 2');
  const behind = ['second', 'third'].map((runId) => startGradus(here, 'logs', runId, '-f', ...at));
  const [ofSecond, ofThird] = behind;
  if (ofSecond === undefined || ofThird === undefined) throw new Error('two runs are followed');

  const [cancelled, end] = await gradus(here, 'cancel', 'long', ...at);
  expect(cancelled, end).toBe(0);
  expect(end).toContain('run long is stopped');
  expect(await follower.exit(120_000), follower.output()).toBe(0);
  expect(follower.output()).toContain('asked to stop after the step (gradus cancel)');
  expect(await ofSecond.exit(300_000), ofSecond.output()).toBe(0);
  expect(ofSecond.output()).toMatch(/waits in the queue[^]*started[^]*step 2 of play[^]* finished\n$/);

  // The next in the queue is stopped from here, and goes on where it was.
  await ofThird.says(/step 1 of play/);
  const [stopped, pause] = await gradus(here, 'stop', 'third', ...at);
  expect(stopped, pause).toBe(0);
  expect(await ofThird.exit(300_000), ofThird.output()).toBe(0);
  expect(ofThird.output()).toMatch(/ stopped: stopped on request; it can be resumed\n$/);
  const [resumed, finish] = await gradus(here, 'resume', 'third', ...at);
  expect(resumed, finish).toBe(0);
  expect(finish).toContain(`resumed run third at ${server}`);
  expect(finish).toContain('0 lost, 0 counted twice');

  for (const [runId, count] of [
    ['second', 2],
    ['third', steps],
  ] as const) {
    const [fetched, where] = await gradus(here, 'fetch', runId, '--to', `results/${runId}`, ...at);
    expect(fetched, where).toBe(0);
    const ofServer = join(there, 'runs', runId);
    const brought = await readdir(join(here, 'results', runId), { recursive: true, withFileTypes: true });
    const files = brought
      .filter((each) => each.isFile())
      .map(({ parentPath, name }) => relative(join(here, 'results', runId), join(parentPath, name)))
      // Drawn here, from the summary.
      .filter((path) => !path.startsWith('curves/'));
    expect(files).toEqual(expect.arrayContaining(['recipe.json', 'metrics.jsonl', 'summary.json']));
    for (const path of files)
      expect(await readFile(join(here, 'results', runId, path)), path).toEqual(await readFile(join(ofServer, path)));
    const rows = (await readFile(join(here, 'results', runId, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
    // At step 0 it was evaluated.
    const done = rows.flatMap((line): unknown[] => {
      const { step } = z.looseObject({ step: z.int().optional() }).parse(JSON.parse(line));
      return step === undefined ? [] : [step];
    });
    expect(new Set(done)).toEqual(new Set(Array.from({ length: count + 1 }, (_, index) => index)));
    const summary: unknown = JSON.parse(await readFile(join(here, 'results', runId, 'summary.json'), 'utf8'));
    expect(summary).toMatchObject({ state: 'finished', rollouts: { lost: 0, duplicated: 0, failedInfra: 0 } });
  }

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
