import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { fetchArtefact } from '../../services/artefacts/fetch-artefact.ts';
import { openStore } from '../../services/artefacts/open-store.ts';
import { putArtefact } from '../../services/artefacts/put-artefact.ts';
import { retainArtefacts } from '../../services/artefacts/retain.ts';
import { credentialFiles } from '../../services/fleet/credentials-directory.ts';
import { connectNats, type Nats } from '../../services/platform/nats/connect.ts';
import { startNatsServer } from '../../services/platform/nats/nats-server.ts';
import { artefactBucket, natsTls, natsUsers } from '../../services/platform/nats/permissions.ts';
import { createRedeliveryRecords } from '../../services/platform/nats/redelivery-records.ts';
import { ensureStreams, streams, subjects } from '../../services/platform/nats/streams.ts';
import { createWorkerStatuses } from '../../services/platform/nats/worker-statuses.ts';
import type { Security } from '../../services/platform/security/security.ts';
import { createMetrics } from '../../services/platform/telemetry/metrics.ts';
import { createOutbox } from '../../services/rollout/worker/outbox.ts';
import { newCredentials, securityOf, valueOf } from './certificates.ts';

const log = pino({ level: 'silent' });

async function startServer(directory: string): Promise<string> {
  const storeDirectory = await mkdtemp(join(tmpdir(), 'gradus-nats-'));
  const server = await startNatsServer({
    storeDirectory,
    configLines: [natsTls(credentialFiles(directory, 'nats')), natsUsers()],
  });
  onTestFinished(async () => {
    await server.stop();
    await rm(storeDirectory, { recursive: true, force: true });
  });
  return server.url;
}

async function connectAs(url: string, security: Security | undefined): Promise<Nats> {
  const nats = await connectNats({
    url,
    name: 'test',
    log,
    security,
    signal: new AbortController().signal,
    connectTimeoutMs: 5_000,
  });
  onTestFinished(() => nats.close());
  return nats;
}

test('a worker takes tasks and writes results, and writes no ledger, changes no stream and reads no ledger; refusals are counted', async () => {
  const directory = await newCredentials();
  const url = await startServer(directory);
  const coordinator = await connectAs(url, await securityOf(directory, 'coordinator'));
  await ensureStreams(coordinator);
  const metrics = createMetrics();
  const worker = await connectAs(url, await securityOf(directory, 'rollout', metrics));
  await ensureStreams(worker);
  await coordinator.js.publish(subjects.ledger('r'), 'a fact');
  await worker.js.publish(subjects.result('r'), 'a result');

  await expect(worker.js.publish(subjects.ledger('r'), 'a lie', { timeout: 5_000 })).rejects.toThrow();
  await expect(worker.jsm.streams.purge(streams.results)).rejects.toThrow();
  await expect(worker.jsm.streams.delete(streams.ledger)).rejects.toThrow();
  await expect(worker.jsm.streams.add({ name: 'COPY', subjects: ['gradus.copy'] })).rejects.toThrow();
  await expect(worker.jsm.streams.getMessage(streams.ledger, { seq: 1 })).rejects.toThrow();
  await expect(worker.jsm.consumers.delete(streams.tasks, 'workers_train')).rejects.toThrow();
  expect((await coordinator.jsm.streams.info(streams.ledger)).state.messages).toBe(1);
  await expect
    .poll(async () => valueOf(await metrics.render(), 'gradus_requests_refused_total{edge="nats",reason="role"}'), {
      timeout: 60_000,
    })
    .toBeGreaterThan(0);
});

test('a worker finds what an earlier delivery of a task stored, and keeps what it knows of tasks and of itself', async () => {
  const directory = await newCredentials();
  const url = await startServer(directory);
  const coordinator = await connectAs(url, await securityOf(directory, 'coordinator'));
  await ensureStreams(coordinator);
  const worker = await connectAs(url, await securityOf(directory, 'rollout'));
  const { signal } = new AbortController();

  const outbox = createOutbox(worker, { timeoutMs: 10_000, maxBytes: 1_000_000 });
  const task = create(RolloutTaskSchema, { runId: 'r', taskId: 't', attempt: 1 });
  const trajectory = create(TrajectorySchema, { sequenceDigest: randomBytes(32) });
  const first = await outbox.trajectory(task, 0, trajectory, signal);
  expect(await outbox.trajectory(task, 1, trajectory, signal)).toBe(first);
  expect((await coordinator.jsm.streams.info(streams.trajectories)).state.messages).toBe(1);
  const other = create(TrajectorySchema, { sequenceDigest: randomBytes(32) });
  expect(await outbox.trajectory(task, 2, other, signal)).toBe(first + 1);

  const records = createRedeliveryRecords(worker);
  await records.write('1.2', { failed: 1, returned: 0, starts: 2 });
  expect(await records.read('1.2')).toEqual({ failed: 1, returned: 0, starts: 2 });
  await records.forget('1.2');
  expect(await records.read('1.2')).toEqual({ failed: 0, returned: 0, starts: 0 });

  const statuses = createWorkerStatuses(worker);
  await statuses.put({ workerId: 'w' });
  expect((await statuses.list()).map(({ workerId }) => workerId)).toEqual(['w']);
  await statuses.remove('w');
});

test('the artefact service keeps files in its bucket, and reads no ledger and no task', async () => {
  const directory = await newCredentials();
  const url = await startServer(directory);
  const coordinator = await connectAs(url, await securityOf(directory, 'coordinator'));
  await ensureStreams(coordinator);
  await coordinator.js.publish(subjects.ledger('r'), 'a fact');
  const artefacts = await connectAs(url, await securityOf(directory, 'artefacts'));
  const store = await openStore(`nats:${artefactBucket}`, { nats: async () => artefacts });
  const bytes = randomBytes(300_000);
  const source = await mkdtemp(join(tmpdir(), 'gradus-put-'));
  onTestFinished(() => rm(source, { recursive: true, force: true }));
  await writeFile(join(source, 'model.safetensors'), bytes);
  const { signal } = new AbortController();
  const { digest } = await putArtefact(store, source, { kind: 'version', runId: 'r', signal });
  await fetchArtefact(store, digest, join(source, 'back'), { signal });
  expect(await readFile(join(source, 'back', 'model.safetensors'))).toEqual(bytes);
  const none = { runId: 'r', keep: new Set<string>(), olderThanMs: Date.now() + 60_000, signal };
  expect(await retainArtefacts(store, none)).toMatchObject({ removedArtefacts: 1 });

  await expect(artefacts.jsm.streams.getMessage(streams.ledger, { seq: 1 })).rejects.toThrow();
  await expect(artefacts.jsm.streams.purge(streams.tasks)).rejects.toThrow();
  await expect(artefacts.js.publish(subjects.ledger('r'), 'a lie', { timeout: 5_000 })).rejects.toThrow();
});

test('a server with certificates takes nobody without one, with a foreign one, or of a role that has nothing to do there', async () => {
  const [directory, foreign] = [await newCredentials(), await newCredentials()];
  const url = await startServer(directory);
  await expect(connectAs(url, undefined)).rejects.toThrow();
  await expect(connectAs(url, await securityOf(foreign, 'coordinator'))).rejects.toThrow();
  await expect(connectAs(url, await securityOf(directory, 'learner'))).rejects.toThrow(/Authorization/i);
});
