/** The connection to NATS: made once, kept for the life of the process, reconnecting without end. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';

import { retry } from '../async/retry.ts';
import { sleep } from '../async/sleep.ts';
import { TerminalError, TransientError, errorFrom, throwIfCancelled, type GradusError } from '../errors.ts';
import type { Security } from '../security/security.ts';
import type { Logger } from '../telemetry/logging.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { withoutPasswords } from '../text/without-passwords.ts';
import { identification } from './identification.ts';
import { watchLink } from './link.ts';
import type { Link } from './link.ts';
import { errorFromNats, isNoAnswer } from './nats-errors.ts';
import { inboxOf, makesStreams } from './permissions.ts';

export interface Nats {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly kvm: Kvm;
  readonly log: Logger;
  readonly link: Link;
  /** Servers that keep a copy of what is stored. Absent: what exists stays as it is, what is new gets one. */
  readonly replicas: number | undefined;
  /** Of subjects where answers come; the library's own when absent. */
  readonly inboxPrefix?: string | undefined;
  /** This user may make no streams: it waits until they are there. Absent: it makes what is missing. */
  readonly waitsForStreams?: boolean | undefined;
  /** Other users may make none: what they need is made for them. */
  readonly makesForOthers?: boolean | undefined;
  /** Sends what is buffered, within 2 s, and closes. */
  close(): Promise<void>;
}

export interface NatsOptions {
  /** `nats://host:port`, several separated by commas. */
  readonly url: string;
  /** Name of the client, seen in the server's monitoring. */
  readonly name: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly metrics?: Metrics | undefined;
  /** Certificates, and a user of NATS where one is given. */
  readonly security?: Security | undefined;
  /** Servers of a cluster that keep a copy of each stream, 1 to 5. */
  readonly replicas?: number | undefined;
  /** How long the first connection may take, and then JetStream's first answer. Default 10 s each. */
  readonly connectTimeoutMs?: number | undefined;
}

/** JetStream pull requests with heartbeats and direct reads came with 2.9. */
const minVersion = [2, 9] as const;
/** Earlier ones come back from a kill with stale consumers and settled tasks, and have known holes in security (decision 60). */
const advisedVersion = [2, 12, 7] as const;
const closeTimeoutMs = 2_000;
const defaultConnectTimeoutMs = 10_000;
const startPause = { baseMs: 200, maxMs: 200 };

export async function connectNats(options: NatsOptions): Promise<Nats> {
  const { log } = options;
  const url = withoutPasswords(options.url);
  const nc = await firstConnection(options);
  try {
    checkVersion(nc, url);
    adviseVersion(nc, log);
    const jsm = await openJetStream(nc, options);
    const reconnects = options.metrics?.counter('gradus_nats_disconnects_total', 'Connections to NATS that broke.');
    const link = watchLink(nc, log, {
      onDown: () => reconnects?.inc(),
      onRefused: (error) => options.security?.refusals?.count('nats', 'role', { why: error.message }),
    });
    log.info({ server: nc.getServer(), version: nc.info?.version }, 'NATS connected');
    return {
      nc,
      js: jetstream(nc),
      jsm,
      kvm: new Kvm(nc),
      log,
      link,
      replicas: options.replicas,
      ...rightsOf(options.security),
      close: () => close(nc),
    };
  } catch (error) {
    await nc.close();
    throw error;
  }
}

/** Only with certificates do users differ. */
function rightsOf(security: Security | undefined): Pick<Nats, 'waitsForStreams' | 'makesForOthers' | 'inboxPrefix'> {
  if (security?.tls === undefined) return {};
  const { roles } = security.tls;
  const makes = makesStreams(roles);
  return { waitsForStreams: !makes, makesForOthers: makes, inboxPrefix: inboxOf(roles[0] ?? 'nobody') };
}

async function firstConnection(options: NatsOptions): Promise<NatsConnection> {
  const timeoutMs = options.connectTimeoutMs ?? defaultConnectTimeoutMs;
  const { signal } = options;
  const url = withoutPasswords(options.url);
  const mayPass = ({ code }: GradusError) =>
    !signal.aborted && code !== 'permission_denied' && code !== 'invalid_argument';
  let last: unknown;
  const open = async () => {
    throwIfCancelled(signal);
    return await connect({
      ...(await identification(options.security)),
      servers: options.url.split(',').map((server) => server.trim()),
      name: options.name,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 200,
      reconnectJitter: 100,
      // A frozen server is noticed after 3 unanswered pings.
      pingInterval: 5_000,
      maxPingOut: 3,
      timeout: 2_000,
      // Stack traces of every request cost more than the requests.
      noAsyncTraces: true,
    });
  };
  const errorOf = (thrown: unknown) => errorFromNats((last = thrown), `NATS at ${url}`);
  return await retry(open, { ...startPause, signal, withinMs: timeoutMs, errorOf, mayPass }).catch(
    (thrown: unknown) => {
      const error = errorFrom(thrown);
      throwIfCancelled(signal);
      if (!mayPass(error)) throw error;
      throw new TerminalError(
        'failed_precondition',
        `no NATS server answers at ${url} (tried for ${Math.round(timeoutMs / 1000)} s): ${errorFrom(last).message}; ` +
          'start one with `nats-server --jetstream`, or set natsUrl to where it runs',
        { cause: last, details: { url } },
      );
    },
  );
}

function isBefore(version: string, wanted: readonly number[]): boolean {
  const numbers = version.split(/[.-]/).map(Number);
  const at = wanted.findIndex((number, index) => numbers[index] !== number);
  return at !== -1 && (numbers[at] ?? 0) < (wanted[at] ?? 0);
}

function adviseVersion(nc: NatsConnection, log: Logger): void {
  const version = nc.info?.version ?? '0';
  if (!isBefore(version, advisedVersion)) return;
  log.warn(
    { version, advised: advisedVersion.join('.') },
    'an older NATS server: killed, it may come back with stale consumers, which are repaired within seconds; a newer one is advisable',
  );
}

function checkVersion(nc: NatsConnection, url: string): void {
  const version = nc.info?.version ?? '0';
  if (isBefore(version, minVersion)) {
    throw new TerminalError(
      'failed_precondition',
      `the NATS server at ${url} has version ${version}; ${minVersion.join('.')} or later is needed`,
      { details: { url, version } },
    );
  }
}

/** A cluster that has just started, or has lost a server, is without a leader for a while: that passes. */
async function openJetStream(nc: NatsConnection, options: NatsOptions): Promise<JetStreamManager> {
  const { signal } = options;
  const url = withoutPasswords(options.url);
  const missing = (cause: unknown, why: string): TerminalError =>
    new TerminalError(
      'failed_precondition',
      `the NATS server at ${url} ${why}; start it with --jetstream, or enable JetStream for this account`,
      { cause, details: { url } },
    );
  if (nc.info?.jetstream !== true) throw missing(undefined, 'runs without JetStream');
  const open = async () => {
    throwIfCancelled(signal);
    try {
      return await jetstreamManager(nc, { timeout: 5_000 });
    } catch (thrown) {
      const error = errorFromNats(thrown, `JetStream at ${url}`);
      // No answer at all is how an account without JetStream looks too; a cluster without a leader times out or says so.
      const passes = error instanceof TransientError && !isNoAnswer(thrown);
      throw passes ? error : missing(thrown, `does not let this account use JetStream (${error.message})`);
    }
  };
  const withinMs = options.connectTimeoutMs ?? defaultConnectTimeoutMs;
  return await retry(open, { ...startPause, signal, withinMs });
}

async function close(nc: NatsConnection): Promise<void> {
  if (nc.isClosed()) return;
  const timer = new AbortController();
  const drained = nc.drain().catch(() => {});
  await Promise.race([drained, sleep(closeTimeoutMs, timer.signal).catch(() => {})]);
  timer.abort();
  await nc.close();
}
