import type { WorkerStatus } from '#proto/rollout/v1/worker_pb.ts';
import { connectNats } from '#platform/nats/connect.ts';
import { createWorkerStatuses } from '#platform/nats/worker-statuses.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import type { FleetFile } from '#fleet/fleet-file.ts';

/** What the workers say of themselves; none when the streams cannot be asked just now. */
export async function listWorkers(fleet: Pick<FleetFile, 'natsUrl'>): Promise<WorkerStatus[]> {
  if (fleet.natsUrl === '') return [];
  const signal = AbortSignal.timeout(5_000);
  const log = createLogger({ service: 'gradus', level: 'silent' });
  try {
    const nats = await connectNats({ url: fleet.natsUrl, name: 'gradus-cli', log, signal, connectTimeoutMs: 2_000 });
    try {
      return await createWorkerStatuses(nats).list(signal);
    } finally {
      await nats.close();
    }
  } catch {
    // The table of services says that NATS is down; the rest of the status is worth showing.
    return [];
  }
}
