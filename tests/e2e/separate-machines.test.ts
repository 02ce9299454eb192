import { cp, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadRecipe, prepareInputs } from '#cli/run/prepare-inputs.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { resolveRecipe, resolvedRecipeJson } from '#recipe/resolve-recipe.ts';
import { ledgerEntries } from '#run/ledger/read-ledger.ts';
import { checkWeights } from '#weights/manifest.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { writeSmallDemo } from '../fixtures/small-demo.ts';
import { connectTo, startServer } from '../platform/fixtures.ts';
import { readJson, startGradus, until } from './gradus-process.ts';
import { createMachines, whyNoMachines } from './machines.ts';

const repository = resolve(import.meta.dirname, '../..');
const steps = 4;

test.skipIf(whyNoMachines !== undefined)(
  'P1, P4: the first stage of the demo is trained by four machines that share nothing but NATS and a store, and one loses its disk meanwhile',
  async () => {
    const root = await temporaryDirectory('gradus-machines-');
    const machines = await createMachines(root, ['coordinator', 'learner', 'engine', 'rollout']);
    const nats = await startServer();
    const at = (machine: string, ...names: string[]) => join(machines.folder(machine), ...names);
    const model = join(repository, 'policies/nano');
    // What an operator puts on a machine: the model that an engine begins with, the corpus that is searched.
    await cp(model, at('engine', 'model'), { recursive: true });
    await cp(model, at('coordinator', 'model'), { recursive: true });
    const loaded = await loadRecipe(await writeSmallDemo(at('coordinator'), './model', steps));
    const paths = await prepareInputs(loaded, at('coordinator', 'inputs'));
    await cp(paths.corpus ?? '', at('rollout', 'corpus.jsonl'));

    const storeOf = async (machine: string, grpc = '127.0.0.1:0') =>
      (
        await machines.serve(machine, 'artefacts', {
          store: 'nats:artefacts',
          'nats-url': nats.url,
          roots: at(machine),
          grpc,
        })
      ).grpc;
    const engine = await machines.serve('engine', 'engine', {
      model: at('engine', 'model'),
      'max-context': 640,
      threads: 1,
      roots: at('engine'),
      artefacts: await storeOf('engine'),
      'artefact-directory': at('engine', 'artefacts'),
    });
    const policy = await machines.serve('engine', 'policy', {
      engines: engine.grpc,
      tokenizer: at('engine', 'model', 'tokenizer.json'),
    });
    const learnerSettings = {
      grpc: `127.0.0.1:${await lastingPort()}`,
      threads: 1,
      roots: at('learner'),
      artefacts: await storeOf('learner'),
      'artefact-directory': at('learner', 'artefacts'),
    };
    let learner = await machines.serve('learner', 'learner', learnerSettings);
    const retrieval = await machines.serve('rollout', 'retrieval', {
      corpus: at('rollout', 'corpus.jsonl'),
      analyzer: 'standard',
      k1: 1.2,
      b: 0.75,
    });
    const reward = await machines.serve('rollout', 'reward');
    await machines.serve('rollout', 'rollout', {
      'nats-url': nats.url,
      policy: policy.grpc,
      retrieval: retrieval.grpc,
      reward: reward.grpc,
      concurrency: 64,
    });
    const coordinatorStore = `127.0.0.1:${await lastingPort()}`;
    const coordinator = await machines.serve('coordinator', 'coordinator', {
      'nats-url': nats.url,
      policy: policy.grpc,
      learner: learner.grpc,
      artefacts: coordinatorStore,
    });

    const client = createGrpcClient(CoordinatorService, coordinator.grpc, { timeoutMs: 60_000 });
    const home = at('coordinator', 'runs', 'apart');
    const recipeJson = resolvedRecipeJson(resolveRecipe(loaded.recipe, loaded.file, paths));
    await client.submitRun({ runId: 'apart', recipeJson, directory: home, resume: false });
    onTestFinished(() => client.close());
    const status = async () => await client.getRun({ runId: 'apart' });
    // The store comes late here, and the run waits for it.
    await until(
      async () => (await status()).message.startsWith('waiting for the artefact service'),
      60_000,
      () => 'nothing is waited for',
    );
    await storeOf('coordinator', coordinatorStore);
    const reaches = (step: number) =>
      until(
        async () => (await status()).step >= step,
        400_000,
        () => `step ${step} is not reached; ${coordinator.output().slice(-2000)}\n${learner.output().slice(-2000)}`,
      );
    await reaches(3);
    // The newest checkpoint is of step 2, and nothing of it is left on the learner's machine.
    await learner.kill();
    await rm(at('learner', 'artefacts'), { recursive: true });
    learner = await machines.serve('learner', 'learner', learnerSettings);
    await until(
      async () => (await status()).state !== RunState.RUNNING,
      400_000,
      () => `the run goes on; ${coordinator.output().slice(-2000)}\n${learner.output().slice(-2000)}`,
    );

    expect((await status()).message).toBe('');
    const summary = await readJson(join(home, 'summary.json'));
    expect(summary).toMatchObject({ state: 'finished', rollouts: { lost: 0, duplicated: 0, failedInfra: 0 } });
    const entries = await ledgerEntries(await connectTo(nats.url), 'apart', new AbortController().signal);
    const committed = entries.flatMap(({ fact }) => (fact.case === 'stepCommitted' ? [fact.value] : []));
    expect(committed.map(({ step }) => Number(step))).toEqual([1, 2, 3, 4]);
    for (const { weightsPath, checkpointPath } of committed) {
      expect(weightsPath).toMatch(/^artefact:[0-9a-f]{64}$/);
      expect(checkpointPath).toMatch(/^(artefact:[0-9a-f]{64})?$/);
    }
    expect(await checkWeights(join(home, 'final'), '')).toBe(committed.at(-1)?.weightsDigest);
    // An engine keeps the version that serves and the one before.
    expect((await readdir(at('engine', 'artefacts', 'fetched'))).length).toBeLessThanOrEqual(2);
    // The newest version lies in the store alone, and a rollout of it is played again on the machine of the coordinator.
    const places = ['--home', at('coordinator', 'runs'), '--nats-url', nats.url];
    const replay = (...more: string[]) => startGradus(root, 'rollout', 'replay', '--run', 'apart', ...places, ...more);
    const bare = replay();
    expect(await bare.exit(300_000), bare.output()).not.toBe(0);
    expect(bare.output()).toMatch(/lie in a store, as artefact:[0-9a-f]{64}; give it with --store/);
    for (const came of ['came over', 'it was there']) {
      const again = replay('--store', 'nats:artefacts');
      expect(await again.exit(300_000), again.output()).toBe(0);
      expect(again.output()).toMatch(
        new RegExp(`artefact:[0-9a-f]{64} of nats:artefacts is in .* and has its digest; .*${came}`),
      );
      expect(again.output()).toMatch(/with policy version \d+ \(artefact:[0-9a-f]{64}\)\nidentical/);
    }
    // No machine was told where anything lies on another.
    const told = { coordinator: coordinator.output(), learner: learner.output(), engine: engine.output() };
    for (const [machine, text] of Object.entries(told))
      for (const other of ['coordinator', 'learner', 'engine', 'rollout'])
        if (other !== machine) expect(text).not.toContain(`${at(other)}/`);
  },
  900_000,
);
