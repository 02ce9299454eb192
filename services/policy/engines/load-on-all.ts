import { sleep } from '#platform/async/sleep.ts';
import { TerminalError, TransientError, cancelledFrom, errorFrom } from '#platform/errors.ts';
import type { PolicyEvents } from '../events.ts';
import type { EngineMember } from './engine-member.ts';
import type { EnginePool } from './engine-pool.ts';
import type { LoadedVersion, WantedVersion } from './wanted-version.ts';

export interface LoadPorts {
  readonly members: ReadonlyMap<string, EngineMember>;
  readonly pool: EnginePool;
  readonly wanted: WantedVersion;
  readonly events: PolicyEvents;
  readonly timeoutMs: number;
}

/** `epoch` is that of the leader that asks. A probe that repeats the load later asks for nobody. */
export type LoadTarget = LoadedVersion & { readonly epoch: bigint };

const LOOK_MS = 20;

/**
 * Loads on every engine that is up; with none, waits for one. Those that fail, are down or come later are not used until
 * a probe has brought them up to it. An engine that dies in the middle is not waited for. Throws when all fail, and then
 * the version that was wanted before still is: a version that cannot be read is not forced on anybody.
 */
export async function loadOnAll(
  { members, pool, wanted, events, timeoutMs }: LoadPorts,
  target: LoadTarget,
  signal: AbortSignal,
): Promise<{ readonly version: bigint; readonly carriedOver: number }> {
  const inUse = (): EngineMember[] =>
    [...members.values()].filter(({ address }) => (pool.entry(address)?.state ?? 'down') !== 'down');
  const giveUpMs = performance.now() + timeoutMs;
  while (inUse().length === 0) {
    if (signal.aborted) throw cancelledFrom(signal.reason);
    if (performance.now() >= giveUpMs)
      throw new TransientError('unavailable', `no engine came up to load version ${target.version} on`);
    await sleep(LOOK_MS, signal).catch(() => undefined);
  }
  const chosen = inUse();
  const outcomes = await Promise.allSettled(
    chosen.map(({ connection, life }) => connection.loadVersion(target, { timeoutMs, signal: life })),
  );
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [errorFrom(outcome.reason)] : []));
  if (failures.length === outcomes.length) {
    throw (
      failures.find((error) => error instanceof TerminalError) ??
      new TransientError('unavailable', `no engine loaded version ${target.version}: ${failures[0]?.message ?? ''}`)
    );
  }
  let carriedOver = 0;
  for (const [index, outcome] of outcomes.entries()) {
    const member = chosen[index];
    if (member === undefined || outcome.status === 'rejected') continue;
    carriedOver += outcome.value.carriedOver;
    if (pool.entry(member.address)?.state === 'up') pool.setUp(member.address, target.version);
  }
  // From here on, those that failed or came up meanwhile with what they had are not used.
  const { version, weightsPath, weightsDigest } = target;
  wanted.set({ version, weightsPath, weightsDigest });
  events.versionLoaded(target.version, outcomes.length - failures.length, failures.length);
  return { version: target.version, carriedOver };
}
