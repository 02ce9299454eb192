import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { exitCodes } from '#cli/exit-codes.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { writeSmallDemo } from '../../fixtures/small-demo.ts';
import { docker, exitsOf, logsOf, readFileIn } from '../engine/docker.ts';
import { composeUp, type ComposeProject } from './testcontainers/compose-environment.ts';

const images = inject('images');
const runId = 'demo-1';
/** More than are finished before the fleet is stopped. */
const steps = 4;

/** What differs from compose.yaml: the recipe, a port that is free, a worker that is slow enough to be killed at work, and time to end. */
async function projectIn(directory: string, name: string): Promise<ComposeProject> {
  const recipes = join(directory, 'recipes');
  await mkdir(recipes);
  await writeSmallDemo(recipes, '../policies/nano', steps);
  // Its reader is user 10001.
  for (const folder of [directory, recipes]) await chmod(folder, 0o755);
  const recipe = { volumes: [`${recipes}:/var/lib/gradus/recipes:ro`] };
  const long = ['nats', 'retrieval', 'reward', 'engine', 'learner', 'policy', 'rollout', 'coordinator', 'demo'];
  const stores = ['engine-artefacts', 'learner-artefacts', 'coordinator-artefacts'];
  const services: Record<string, object> = Object.fromEntries(
    [...long, ...stores].map((each) => [each, { stop_grace_period: '300s' }]),
  );
  services['prepare'] = recipe;
  services['demo'] = { ...services['demo'], ...recipe };
  services['coordinator'] = { ...services['coordinator'], ...recipe, ports: ['PORTS'] };
  services['rollout'] = { ...services['rollout'], environment: { GRADUS_CONCURRENCY: '4' } };
  const file = join(directory, 'smaller.yaml');
  await writeFile(file, stringify({ services }).replace(/ports:\s+- PORTS/, "ports: !override ['127.0.0.1::50051']"));
  const { services: ours = '', learner = '', nats = '' } = images ?? {};
  return {
    name,
    folder: join(repositoryRoot, 'deploy/compose'),
    files: ['compose.yaml', file],
    environment: {
      GRADUS_SERVICES_IMAGE: ours,
      GRADUS_LEARNER_IMAGE: learner,
      GRADUS_OTLP_ENDPOINT: '',
      ...(nats !== '' && { NATS_IMAGE: nats }),
    },
    readyLines: { 'nats-1': /Server is ready/, 'demo-1': new RegExp(`run ${runId} `) },
    startupTimeoutMs: 900_000,
  };
}

test.skipIf(images?.compose !== true)(
  'P1, P3: the fleet of compose trains the first step of the demo though its worker is killed, ends on SIGTERM with 0, and a second up goes on with the run',
  async () => {
    const directory = await temporaryDirectory('gradus-fleet-');
    const name = `gradus-test-${process.pid}`;
    const project = await projectIn(directory, name);
    onTestFinished(async () => {
      const files = project.files.flatMap((file) => ['-f', resolve(project.folder, file)]);
      await docker('compose', '-p', name, ...files, 'down', '--volumes', '--timeout', '0');
    });
    const first = await composeUp(project, 'demo');
    const coordinator = first.getContainer('coordinator-1');
    const demo = first.getContainer('demo-1').getId();

    const credentials = join(directory, 'credentials');
    await mkdir(credentials);
    for (const file of ['ca.crt', 'operator.crt', 'operator.key'])
      await writeFile(join(credentials, file), await readFileIn(demo, `/etc/gradus/tls/${file}`));
    const client = createGrpcClient(CoordinatorService, `127.0.0.1:${coordinator.getMappedPort(50051)}`, {
      timeoutMs: 60_000,
      security: await openOperator(credentials),
    });
    const status = () => client.getRun({ runId });
    const isPlaying = async () => {
      const { phase, step, rolloutsDone, rolloutsExpected } = await status();
      return phase === Phase.ROLLOUT && step === 0 && rolloutsDone > 0 && rolloutsDone < rolloutsExpected;
    };

    // The only worker: whatever is being played is with it.
    await expect.poll(isPlaying, { interval: 100 }).toBe(true);
    const worker = first.getContainer('rollout-1').getId();
    await docker('kill', worker);
    expect(await isPlaying()).toBe(true);
    await docker('start', worker);
    await expect.poll(async () => (await status()).step).toBeGreaterThan(0);

    client.close();
    await first.stop();
    const { demo: follower, nats, ...others } = await exitsOf(name);
    expect(Object.keys(others)).toEqual(expect.arrayContaining(['engine', 'learner', 'rollout', 'coordinator']));
    expect(Object.entries(others).filter(([, { exitCode, outOfMemory }]) => exitCode !== 0 || outOfMemory)).toEqual([]);
    expect(follower?.exitCode).toBe(exitCodes.stopped);
    // NATS 2.9 ends with 1 on SIGTERM; with 137 it would have been killed.
    expect([0, 1]).toContain(nats?.exitCode);
    expect(await logsOf(demo)).toContain(`run ${runId} begins`);
    await first.down({ removeVolumes: false });

    const second = await composeUp(project, 'demo');
    const again = second.getContainer('demo-1').getId();
    await docker('wait', again);
    const said = await logsOf(again);
    expect(said).toContain(`run ${runId} goes on; it was stopped`);
    expect(said).toContain(`run ${runId}: finished`);
    const path = `/var/lib/gradus/runs/${runId}/summary.json`;
    const summary: unknown = JSON.parse(await readFileIn(second.getContainer('coordinator-1').getId(), path));
    expect(summary).toMatchObject({ state: 'finished', rollouts: { lost: 0, duplicated: 0 } });
  },
);
