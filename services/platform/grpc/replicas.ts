import { createHash } from 'node:crypto';
import { sleep } from '../async/sleep.ts';
import { CancelledError, TransientError, errorFrom } from '../errors.ts';
import { createAdaptiveTimeout } from './adaptive-timeout.ts';
import type { CallOptions } from './client.ts';
import type { Security } from '../security/security.ts';
import { followNames, isName } from './follow-names.ts';
import { createHealthClient } from './health-client.ts';

export interface ReplicasOptions<Client> {
  /** Each `host:port`, or `dns:///name:port` for every address of a name. */
  readonly addresses: readonly string[];
  readonly connect: (address: string) => Client;
  /** Of a call with all its tries, where the caller says nothing, in milliseconds. */
  readonly timeoutMs: number;
  /** Time between two looks at a replica, and how long one may take to answer, in milliseconds. */
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  readonly onDown: (address: string, error: Error) => void;
  /** A name cannot be resolved; the addresses that it had stay. */
  readonly onUnresolved: (name: string, error: Error) => void;
  readonly security?: Security | undefined;
}

export interface Replicas<Client> {
  /**
   * Runs a call on one replica and, when that is unavailable or drops it, on another, each at most once. Calls with the same `key` go to the
   * same one while it is up; those without a key go round.
   */
  call<T>(
    key: string | undefined,
    options: CallOptions | undefined,
    run: (client: Client, options: CallOptions) => Promise<T>,
  ): Promise<T>;
  /** Runs a call on each replica that is up, or on all where none is. Throws what one of them answers otherwise. */
  each<T>(run: (client: Client) => Promise<T>): Promise<T[]>;
  close(): void;
}

interface Replica<Client> {
  readonly client: Client;
  readonly address: string;
  up: boolean;
  /** Aborted when it is taken for dead, so that what it works on is asked of another at once; then replaced. */
  life: AbortController;
  /** Aborted when its name has it no longer. */
  readonly gone: AbortController;
}

const PROBE_FAILURES = 2;
const MAX_PROBE_TIMEOUT_MS = 15_000;
const RESOLVE_INTERVAL_MS = 5_000;

/**
 * Replicas of one service as one. One that dies or freezes loses its calls to the others. A single address is not probed: there is nowhere
 * else to go.
 */
export function createReplicas<Client extends { close(): void }>(options: ReplicasOptions<Client>): Replicas<Client> {
  const over = new AbortController();
  const replicas = new Map<string, Replica<Client>>();
  const names = options.addresses.filter(isName);
  const isAlone = options.addresses.length === 1 && names.length === 0;
  let rounds = 0;

  function add(address: string): void {
    if (replicas.has(address)) return;
    const replica = {
      client: options.connect(address),
      address,
      up: true,
      life: new AbortController(),
      gone: new AbortController(),
    };
    replicas.set(address, replica);
    if (!isAlone) void watch(replica);
  }

  function removeIfDown(address: string): void {
    const replica = replicas.get(address);
    // One that still answers may be hidden by a flaw of DNS.
    if (replica === undefined || replica.up) return;
    replicas.delete(address);
    replica.gone.abort();
    replica.client.close();
  }

  function setDown(replica: Replica<Client>, error: Error): void {
    if (replica.up) options.onDown(replica.address, error);
    replica.up = false;
  }

  async function watch(replica: Replica<Client>): Promise<void> {
    const adaptive = createAdaptiveTimeout({ baseMs: options.probeTimeoutMs, maxMs: MAX_PROBE_TIMEOUT_MS });
    using health = createHealthClient(replica.address, '', options.security);
    const ended = AbortSignal.any([over.signal, replica.gone.signal]);
    for (let missed = 0; !ended.aborted;) {
      const startedMs = performance.now();
      try {
        const answer = await health.ask(adaptive.timeoutMs);
        adaptive.answered(performance.now() - startedMs);
        missed = 0;
        // One that drains finishes what it has.
        if (answer === 'serving') replica.up = true;
        else setDown(replica, new TransientError('unavailable', `${replica.address} is ending`));
      } catch (thrown) {
        const error = errorFrom(thrown);
        missed += 1;
        if (missed >= PROBE_FAILURES && replica.up && !ended.aborted) {
          setDown(replica, error);
          replica.life.abort(new TransientError('unavailable', `${replica.address} does not answer`, { cause: error }));
          replica.life = new AbortController();
        }
      }
      await sleep(options.probeIntervalMs, ended).catch(() => undefined);
    }
  }

  /** Of those that are up: the one that a key belongs to (highest hash wins, so that few move when one leaves), or the next in turn. */
  function choose(key: string | undefined, tried: ReadonlySet<string>): Replica<Client> | undefined {
    const all = [...replicas.values()];
    const up = all.filter((replica) => replica.up && !tried.has(replica.address));
    const eligible = up.length > 0 || tried.size > 0 ? up : all;
    if (eligible.length < 2) return eligible[0];
    if (key === undefined) return eligible[(rounds += 1) % eligible.length];
    const ranked = eligible.map((replica) => ({
      replica,
      rank: createHash('sha1').update(`${replica.address}\n${key}`).digest('hex'),
    }));
    return ranked.reduce((left, right) => (right.rank > left.rank ? right : left)).replica;
  }

  /** Throws TransientError where another replica may answer. */
  async function callOne<T>(
    replica: Replica<Client>,
    given: CallOptions & { readonly timeoutMs: number },
    run: (client: Client, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    const { life, client, address } = replica;
    const { signal } = given;
    try {
      const both = signal === undefined ? life.signal : AbortSignal.any([signal, life.signal]);
      return await run(client, { ...given, signal: both });
    } catch (thrown) {
      const error = errorFrom(thrown);
      const dropped = error instanceof CancelledError && error.code === 'cancelled' && signal?.aborted !== true;
      if (dropped || error.code === 'unavailable') setDown(replica, error);
      throw dropped ? new TransientError('unavailable', `${address} dropped the call`, { cause: error }) : error;
    }
  }

  for (const address of options.addresses) if (!isName(address)) add(address);
  const resolved = followNames({
    names,
    intervalMs: RESOLVE_INTERVAL_MS,
    signal: over.signal,
    onPresent: add,
    onAbsent: removeIfDown,
    onFailed: options.onUnresolved,
  });

  return {
    async call(key, given, run) {
      const [only] = replicas.values();
      if (isAlone && only !== undefined) return await run(only.client, { ...given });
      await resolved;
      const endMs = performance.now() + (given?.timeoutMs ?? options.timeoutMs);
      const tried = new Set<string>();
      let last = new TransientError('unavailable', `no address is known of ${options.addresses.join(', ')}`);
      for (;;) {
        const replica = choose(key, tried);
        const timeoutMs = endMs - performance.now();
        if (replica === undefined || timeoutMs <= 0) throw last;
        tried.add(replica.address);
        try {
          return await callOne(replica, { ...given, timeoutMs }, run);
        } catch (thrown) {
          if (!(thrown instanceof TransientError && thrown.code === 'unavailable')) throw thrown;
          last = thrown;
        }
      }
    },
    async each(run) {
      if (!isAlone) await resolved;
      const all = [...replicas.values()];
      const up = all.filter((replica) => replica.up);
      return await Promise.all((up.length > 0 ? up : all).map(({ client }) => run(client)));
    },
    close() {
      over.abort();
      for (const { client } of replicas.values()) client.close();
    },
  };
}
