import type { Audit } from './audit.ts';
import { auditOf } from './audited-run.ts';
import { startHostFleet } from './host-fleet.ts';
import type { HostFleet, HostFleetOptions } from './host-fleet.ts';
import { learnerFinding } from './learner-chain.ts';
import { watchLiveRun } from './live-run.ts';
import type { LiveRun } from './live-run.ts';
import { finalWeights, readRunAt } from './stored-run.ts';
import type { StoredRun } from './stored-run.ts';

/** Runs a recipe on a fleet of hosts to its end while `during` does its harm, then audits it. */
export async function runOnHosts(
  options: HostFleetOptions,
  during: (live: LiveRun, fleet: HostFleet) => Promise<void>,
): Promise<{ audit: Audit; stored: StoredRun; findings: readonly string[] }> {
  const { natsUrl, runId, signal } = options;
  {
    await using fleet = await startHostFleet(options);
    await using live = await watchLiveRun(() => Promise.resolve(natsUrl), runId, signal);
    await fleet.submit();
    await during(live, fleet);
    // No share is past the end, so this waits for it.
    await live.until({ kind: 'answered', share: Infinity }, 1, signal);
  }
  const stored = await readRunAt(natsUrl, runId, signal);
  const audit = auditOf(stored);
  const learner = learnerFinding(stored, await finalWeights(stored.entries));
  const letters = stored.deadLetters.map((reason) => `dead letter: ${reason}`);
  return { audit, stored, findings: [...audit.findings, ...(learner === undefined ? [] : [learner]), ...letters] };
}
