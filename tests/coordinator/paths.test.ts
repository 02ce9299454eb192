import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { coordinatorConfig } from '../../services/coordinator/config.ts';
import { fourSteps as recipe } from '../stages/one-stage-run.ts';
import { startCoordinatorFleet } from './fleet.ts';

test('a coordinator with roots reads and writes nothing outside of them, and says nothing of what is there', async () => {
  const fleet = await startCoordinatorFleet({ recipe });
  onTestFinished(() => fleet.stop());
  const home = dirname(dirname(fleet.directoryOf('run-a')));
  const elsewhere = await temporaryDirectory('gradus-elsewhere-');
  const { client } = await fleet.addCoordinator({ roots: [home] });
  const resolved = JSON.parse(fleet.recipeJson);
  const asked = (paths: object, directory = fleet.directoryOf('run-a')) =>
    client.submitRun({
      runId: 'run-a',
      recipeJson: JSON.stringify({ ...resolved, paths: { ...resolved.paths, ...paths } }),
      directory,
      resume: false,
    });

  // The first bytes of it came back, as of a file that is not JSON.
  const refused = await asked({ train: '/etc/passwd', scorers: { mine: '/etc/hosts' } }).catch(
    (thrown: Error) => thrown,
  );
  expect(refused).toMatchObject({ code: 'permission_denied' });
  const { message } = refused as Error;
  expect(message).toContain(`paths.train is '/etc/passwd', which lies outside of ${home}`);
  expect(message).toContain(`paths.scorers.mine is '/etc/hosts', which lies outside of ${home}`);
  expect(message).not.toContain('root:');
  await expect(asked({}, join(elsewhere, 'run-a'))).rejects.toMatchObject({
    code: 'permission_denied',
    message: expect.stringContaining(`directory is '${join(elsewhere, 'run-a')}'`),
  });
  await expect(asked({ held_out: `${home}/../../etc/passwd` })).rejects.toMatchObject({ code: 'permission_denied' });
  expect(await readdir(elsewhere)).toEqual([]);

  await fleet.submit('run-a', client);
  expect((await fleet.ended('run-a', client)).state).toBe(RunState.FINISHED);
});

test('a coordinator for other machines starts with roots', () => {
  const remote = { policy: '127.0.0.1:7001', grpc: '0.0.0.0:7000' };
  expect(() => coordinatorConfig.parse(remote)).toThrow('is empty and this service is for other machines');
  expect(() => coordinatorConfig.parse({ ...remote, grpc: '127.0.0.1:0', insecureRemote: true })).toThrow('is empty');
  expect(coordinatorConfig.parse({ ...remote, roots: ['/var/lib/gradus'] }).roots).toEqual(['/var/lib/gradus']);
});
