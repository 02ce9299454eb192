import { onTestFinished } from 'vitest';
import { createArtefactClient } from '#artefacts/artefact-files.ts';
import { artefactsConfig } from '#artefacts/config.ts';
import { startArtefacts } from '#artefacts/service.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { silentLog } from '../platform/fixtures.ts';

export interface StoreOfTest {
  readonly store: string;
  readonly natsUrl?: string;
}

/** The service of a machine, whose folder it may use, over a store: a folder by its path, or another one. */
export async function serveArtefacts(
  place: string | StoreOfTest,
  fetch: (root: string) => readonly string[] = () => [],
) {
  const of = typeof place === 'string' ? { store: place } : place;
  const root = await temporaryDirectory();
  const lifecycle = createLifecycle(silentLog);
  onTestFinished(async () => {
    lifecycle.stop('the test is over');
    await lifecycle.drain(5_000);
  });
  const metrics = createMetrics();
  const { grpc } = await startArtefacts(artefactsConfig.parse({ ...of, roots: [root], fetch: fetch(root) }), {
    name: 'artefacts',
    log: silentLog,
    metrics,
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  });
  lifecycle.serving();
  const client = createArtefactClient(grpc, undefined);
  onTestFinished(() => client.close());
  return { root, address: grpc, client, metrics };
}
