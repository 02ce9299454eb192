import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { fourSteps as recipe } from '../stages/one-stage-run.ts';
import { rewardOf } from './played-worker.ts';
import { until } from '../until.ts';

type Fleet = Awaited<ReturnType<typeof startCoordinatorFleet>>;
let fleet: Fleet;
afterEach(async () => {
  await fleet.stop();
});

const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

/** A run that was stopped after its first step, and where its files lie. */
async function stoppedRun() {
  fleet = await startCoordinatorFleet({ recipe });
  const { client } = fleet.coordinator;
  let stopping: Promise<unknown> | undefined;
  fleet.setWorker((task) => {
    if (task.purpose === Purpose.TRAIN) stopping ??= client.stopRun({ runId: 'run-a', now: false });
    return { result: { reward: rewardOf(task) } };
  });
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.STOPPED, step: 1 });
  await stopping;
  const { paths } = JSON.parse(fleet.recipeJson);
  return { client, paths, directory: fleet.directoryOf('run-a') };
}

const resumeWith = (change: object) =>
  fleet.coordinator.client.submitRun({ runId: 'run-a', recipeJson: '', directory: '', resume: true, ...change });

it('P8: a run records what it stands on, and is not resumed on other data without the word that accepts them', async () => {
  const { paths, directory } = await stoppedRun();
  const before = await readFile(paths.train);
  const [started] = await fleet.ledger('run-a');
  const inputs = started?.fact.case === 'runStarted' ? started.fact.value.inputs : [];
  expect(inputs.map(({ name }) => name)).toEqual([
    'train',
    'held_out',
    'model/config.json',
    'model/model.safetensors',
    'model/tokenizer.json',
  ]);
  expect(inputs[0]).toMatchObject({ path: paths.train, digest: sha256(before), sizeBytes: BigInt(before.length) });
  expect((await fleet.summary('run-a')).inputs[0]).toEqual({
    name: 'train',
    path: paths.train,
    digest: sha256(before),
    bytes: before.length,
  });
  expect(JSON.parse(await readFile(join(directory, 'recipe.json'), 'utf8')).inputs).toHaveLength(5);

  // As `sed -i 1~2d` does.
  const half = before
    .toString()
    .split('\n')
    .filter((_, index) => index % 2 === 1)
    .join('\n');
  await writeFile(paths.train, half);
  await writeFile(join(paths.model, 'chat_template.jinja'), '{{ messages }}');
  const refused = resumeWith({});
  await expect(refused).rejects.toMatchObject({ code: 'failed_precondition' });
  await expect(refused).rejects.toThrow(`train: ${paths.train}: was ${sha256(before).slice(0, 12)}`);
  await expect(refused).rejects.toThrow('model/chat_template.jinja');
  await expect(refused).rejects.toThrow('gradus resume run-a --accept-changed data,model');
  await expect(resumeWith({ acceptChanged: ['data'] })).rejects.toThrow('--accept-changed data,model');
  await expect(resumeWith({ acceptChanged: ['dat'] })).rejects.toThrow('did you mean data?');
  // Nothing was begun.
  expect((await fleet.ledger('run-a')).filter(({ fact }) => fact.case === 'runResumed')).toEqual([]);

  await resumeWith({ acceptChanged: ['data', 'model'] });
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4 });
  const resumed = (await fleet.ledger('run-a')).flatMap(({ fact }) => (fact.case === 'runResumed' ? [fact.value] : []));
  expect(resumed).toHaveLength(1);
  expect(resumed[0]?.inputs).toHaveLength(6);
  const { acceptedChanges } = await fleet.summary('run-a');
  expect(acceptedChanges).toMatchObject([
    { name: 'train', path: paths.train, recorded: sha256(before), found: sha256(Buffer.from(half)) },
    { name: 'model/chat_template.jinja', recorded: null },
  ]);
});

it('a data file that was torn is named as what has changed, before anything tries to read it', async () => {
  const { paths } = await stoppedRun();
  await writeFile(paths.held_out, 'torn {');
  await expect(resumeWith({})).rejects.toThrow(`held_out: ${paths.held_out}: was`);
});

it('P10: a coordinator that takes a run over ends it with the name of the file that has changed', async () => {
  fleet = await startCoordinatorFleet({ recipe, config: { fleetId: 'pair' } });
  const { promise: training, resolve } = Promise.withResolvers<void>();
  fleet.setWorker((task) => {
    if (task.purpose === Purpose.TRAIN) resolve();
    return task.purpose === Purpose.TRAIN ? { delay: 100_000 } : { result: { reward: rewardOf(task) } };
  });
  await fleet.submit('run-a');
  await training;
  const { paths } = JSON.parse(fleet.recipeJson);
  await writeFile(paths.train, (await readFile(paths.train, 'utf8')).replaceAll('What is', 'Which is'));
  const successor = await fleet.addCoordinator({ coordinatorId: 'second' });
  await fleet.coordinator.stop();
  const end = await fleet.ended('run-a', successor.client);
  expect(end.state).toBe(RunState.FAILED);
  expect(end.message).toContain(`train: ${paths.train}: was `);
  expect((await fleet.summary('run-a')).state).toBe('failed');
  fleet.setWorker((task) => ({ result: { reward: rewardOf(task) } }));
  await successor.client.submitRun({
    runId: 'run-a',
    recipeJson: '',
    directory: '',
    resume: true,
    acceptChanged: ['data'],
  });
  expect(await fleet.ended('run-a', successor.client)).toMatchObject({ state: RunState.FINISHED, step: 4 });
});

/** A run whose training questions are gone, and the coordinator that is to take it over. */
async function runWithoutQuestions() {
  fleet = await startCoordinatorFleet({ recipe, config: { fleetId: 'pair' } });
  let held = 0;
  fleet.setWorker((task) => {
    if (task.purpose !== Purpose.TRAIN) return { result: { reward: rewardOf(task) } };
    held += 1;
    return { keep: true };
  });
  await fleet.submit('run-a');
  await until(() => held > 0);
  const { paths } = JSON.parse(fleet.recipeJson);
  await rename(paths.train, `${paths.train}.elsewhere`);
  const successor = await fleet.addCoordinator({ coordinatorId: 'second' });
  await fleet.coordinator.stop();
  const refused = /gradus_runs_adopted_total\{outcome="failed"\} [1-9]/;
  await until(async () => refused.test(await successor.metrics.render()));
  fleet.setWorker((task) => ({ result: { reward: rewardOf(task) } }));
  return { train: String(paths.train), successor };
}

it('P10: a takeover that does not find a file does not end the run for it: it is there again, and the run goes on', async () => {
  const { train, successor } = await runWithoutQuestions();
  await rename(`${train}.elsewhere`, train);
  await fleet.handBack();
  expect(await fleet.ended('run-a', successor.client)).toMatchObject({ state: RunState.FINISHED, step: 4 });
  expect((await fleet.ledger('run-a')).filter(({ fact }) => fact.case === 'runEnded')).toHaveLength(1);
});

it('P10: a file that stays missing ends the run with its name', async () => {
  const { train, successor } = await runWithoutQuestions();
  const end = await fleet.ended('run-a', successor.client);
  expect(end.state).toBe(RunState.FAILED);
  expect(end.message).toMatch(new RegExp(`train: ${train}: was .*, is gone`));
});

it('P10: a takeover goes on where only a file has changed that nothing loads by its name, and says which', async () => {
  fleet = await startCoordinatorFleet({ recipe, config: { fleetId: 'pair' } });
  let held = 0;
  fleet.setWorker((task) => {
    if (task.purpose !== Purpose.TRAIN) return { result: { reward: rewardOf(task) } };
    held += 1;
    return { keep: true };
  });
  await fleet.submit('run-a');
  await until(() => held > 0);
  const { paths } = JSON.parse(fleet.recipeJson);
  await writeFile(join(paths.model, 'notes.json'), '{}');
  const successor = await fleet.addCoordinator({ coordinatorId: 'second' });
  await fleet.coordinator.stop();
  const resumed = async () => (await fleet.ledger('run-a')).some(({ fact }) => fact.case === 'runResumed');
  await until(resumed);
  fleet.setWorker((task) => ({ result: { reward: rewardOf(task) } }));
  await fleet.handBack();
  expect(await fleet.ended('run-a', successor.client)).toMatchObject({ state: RunState.FINISHED, step: 4 });
  expect((await fleet.summary('run-a')).acceptedChanges).toMatchObject([{ name: 'model/notes.json', recorded: null }]);
});

it('a recipe that was edited in place is named and refused, with the word that accepts it where its tasks stay the same', async () => {
  const { directory } = await stoppedRun();
  const recorded = JSON.parse(await readFile(join(directory, 'recipe.json'), 'utf8'));
  const edited = (change: object) => JSON.stringify({ ...recorded, recipe: { ...recorded.recipe, ...change } });
  const withSeed = resumeWith({ recipeJson: edited({ seed: 4 }) });
  await expect(withSeed).rejects.toThrow(
    'recipe_json: differs from the recipe that run run-a was started with: seed: 3 -> 4',
  );
  await expect(withSeed).rejects.toThrow('gradus resume run-a --restore-recipe');
  await expect(resumeWith({ recipeJson: edited({ seed: 4 }), acceptChanged: ['recipe'] })).rejects.toThrow(
    'seed: 3 -> 4',
  );

  const fewer = edited({ fleet: { ...recorded.recipe.fleet, max_open_rollouts: 9 } });
  const refused = resumeWith({ recipeJson: fewer });
  await expect(refused).rejects.toThrow('fleet.max_open_rollouts: 16 -> 9');
  await expect(refused).rejects.toThrow('gradus resume run-a --accept-changed recipe');
  // As it was recorded it is taken, with the paths that it has.
  await resumeWith({ recipeJson: fewer, acceptChanged: ['recipe'] });
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4 });
  const written = JSON.parse(await readFile(join(directory, 'recipe.json'), 'utf8'));
  expect(written.recipe.fleet.max_open_rollouts).toBe(9);
  expect((await fleet.summary('run-a')).acceptedChanges).toMatchObject([
    { name: 'recipe', path: join(directory, 'recipe.json') },
  ]);
});
