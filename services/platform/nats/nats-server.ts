/** A NATS server of our own, for a fleet on one machine and for tests: JetStream on, on a free port of loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { delimiter, join, resolve } from 'node:path';
import { sleep } from '../async/sleep.ts';
import { TerminalError, TransientError, throwIfCancelled } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';
import { lockStore, recordOwner } from './store-lock.ts';
import { offeredShare } from './store-bounds.ts';

export interface NatsServerOptions {
  /** Streams are kept here; made if missing. The same directory again brings them back. */
  readonly storeDirectory: string;
  readonly signal?: AbortSignal | undefined;
  readonly log?: Logger | undefined;
  /** Default 0: any free port. */
  readonly port?: number | undefined;
  /** Address to listen at. Default 127.0.0.1; there is no authentication. */
  readonly host?: string | undefined;
  /** A server of a cluster; streams can then have replicas. */
  readonly cluster?: NatsClusterMember | undefined;
  /** Largest message. Default 8 MiB. */
  readonly maxPayloadBytes?: number | undefined;
  /** Off only to test what happens then. */
  readonly jetStream?: boolean | undefined;
  /** Further lines of its configuration, for example accounts. */
  readonly configLines?: readonly string[] | undefined;
  /** Called as soon as there is a process, which may not serve yet. `exited` resolves when it has ended, for any reason. */
  readonly onSpawned?: ((pid: number, exited: Promise<unknown>) => void) | undefined;
  /** Called when the server ends without having been asked to. */
  readonly onExit?: ((reason: string) => void) | undefined;
}

export interface NatsClusterMember {
  readonly clusterName: string;
  /** Its own name; the same whenever it is started on the same store. */
  readonly serverName: string;
  /** Where it listens for the others, on the same address as for clients. */
  readonly port: number;
  /** Ports of all servers of the cluster. */
  readonly ports: readonly number[];
}

export interface NatsServer extends AsyncDisposable {
  /** `nats://HOST:PORT` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** What the server writes. */
  readonly logFile: string;
  stop(): Promise<void>;
}

const loopback = '127.0.0.1';
const startTimeoutMs = 60_000;
const stopTimeoutMs = 5_000;
const killedTimeoutMs = 10_000;

/** The program on the PATH, or where Debian's package puts it for root. */
export function findNatsServer(path = process.env['PATH'] ?? ''): string | undefined {
  for (const directory of [...path.split(delimiter), '/usr/sbin', '/usr/local/bin', '/usr/local/sbin']) {
    if (directory === '') continue;
    const candidate = join(directory, 'nats-server');
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not here; the next directory may have it.
    }
  }
  return undefined;
}

export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const host = options.host ?? loopback;
  throwIfCancelled(options.signal);
  const program = findNatsServer();
  if (program === undefined) {
    throw new TerminalError(
      'failed_precondition',
      'nats-server is not on the PATH; install it (Debian and Ubuntu: apt-get install nats-server, macOS: brew install nats-server)',
    );
  }
  const directory = resolve(options.storeDirectory);
  await mkdir(directory, { recursive: true });
  const configFile = join(directory, 'nats-server.conf');
  const logFile = join(directory, 'nats-server.log');
  const lock = await lockStore(directory, options.signal);
  let child: ChildProcess;
  try {
    await writeFile(configFile, configText(options, directory, await offeredStoreBytes(directory, configFile)));
    await removeOldPorts(directory);
    // It writes its log itself: what it said is in the file once it has ended.
    const log = openSync(logFile, 'a');
    child = spawn(program, ['--config', configFile], { stdio: ['ignore', 'ignore', log, lock.fd], detached: true });
    closeSync(log);
  } finally {
    // From now on the server holds it.
    lock.release();
  }
  let asked = false;
  const exited = new Promise<string>((done) => {
    child.once('error', (error) => done(error.message));
    child.once('exit', (code, signal) => done(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  async function stop(): Promise<void> {
    asked = true;
    await end(child, exited);
  }

  const startup = new AbortController();
  try {
    if (child.pid !== undefined) {
      options.onSpawned?.(child.pid, exited);
      await recordOwner(directory, child.pid);
    }
    const failed = exited.then(async (reason) => {
      throw await startError(logFile, reason, options.port);
    });
    const port = await Promise.race([waitUntilReady(directory, host, child, options.signal, startup.signal), failed]);
    void exited.then((reason) => {
      if (asked) return;
      options.log?.error({ reason, logFile }, 'the NATS server has ended');
      options.onExit?.(reason);
    });
    const url = `nats://${host}:${port}`;
    options.log?.info({ url, pid: child.pid, logFile }, 'NATS server started');
    return { url, port, pid: child.pid ?? 0, logFile, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    startup.abort();
  }
}

function configText(options: NatsServerOptions, directory: string, offeredBytes: number): string {
  const host = options.host ?? loopback;
  const port = options.port === undefined || options.port === 0 ? -1 : options.port;
  const lines = [
    `listen: "${host}:${port}"`,
    `max_payload: ${options.maxPayloadBytes ?? 8 * 1024 * 1024}`,
    'max_pending: 268435456',
    `ports_file_dir: ${JSON.stringify(directory)}`,
  ];
  if (options.jetStream ?? true) {
    const store = JSON.stringify(join(directory, 'store'));
    lines.push(`jetstream { store_dir: ${store}, max_file_store: ${offeredBytes} }`);
  }
  if (options.cluster !== undefined) {
    const { clusterName, serverName, port: own, ports } = options.cluster;
    const routes = ports.map((each) => `"nats-route://${host}:${each}"`).join(', ');
    lines.push(`server_name: ${JSON.stringify(serverName)}`);
    lines.push(`cluster { name: ${JSON.stringify(clusterName)}, listen: "${host}:${own}", routes: [${routes}] }`);
  }
  return `${[...lines, ...(options.configLines ?? [])].join('\n')}\n`;
}

function portsFile(directory: string, pid: number): string {
  return join(directory, `nats-server_${pid}.ports`);
}

async function removeOldPorts(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (/^nats-server_\d+\.ports$/.test(name)) await rm(join(directory, name), { force: true });
  }
}

/** The server writes the ports it has bound; then it is asked whether it answers. */
async function waitUntilReady(
  directory: string,
  host: string,
  child: ChildProcess,
  caller: AbortSignal | undefined,
  over: AbortSignal,
): Promise<number> {
  const signal = caller === undefined ? over : AbortSignal.any([caller, over]);
  const untilMs = performance.now() + startTimeoutMs;
  while (performance.now() < untilMs) {
    const port = child.pid === undefined ? undefined : await readPort(portsFile(directory, child.pid));
    if (port !== undefined && (await answers(host, port))) return port;
    await sleep(20, signal);
  }
  throw new TerminalError('failed_precondition', `nats-server was not ready within ${startTimeoutMs} ms`);
}

async function readPort(file: string): Promise<number | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    // Not written yet.
    return undefined;
  }
  // Up to the quote: the file may be half written. A server that takes certificates only says tls.
  const port = /(?:nats|tls):\/\/[^"]*:(\d+)"/.exec(text)?.[1];
  return port === undefined ? undefined : Number(port);
}

/** A NATS server greets with INFO. */
function answers(host: string, port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection({ host, port });
    socket.setTimeout(1_000);
    const finish = (ok: boolean): void => {
      socket.destroy();
      done(ok);
    };
    socket.once('data', (data) => finish(data.toString('latin1').startsWith('INFO')));
    socket.once('error', () => finish(false));
    socket.once('timeout', () => finish(false));
    socket.once('close', () => done(false));
  });
}

async function startError(
  logFile: string,
  reason: string,
  port: number | undefined,
): Promise<TerminalError | TransientError> {
  // Somebody ended it: nothing is wrong with what it was given.
  if (reason.startsWith('signal')) {
    return new TransientError('unavailable', `nats-server was ended while it started (${reason}); see ${logFile}`);
  }
  const log = await readFile(logFile, 'utf8').catch(() => '');
  const fatal = log.split('\n').findLast((line) => /\[(FTL|ERR)\]/.test(line)) ?? '';
  const inUse = /address already in use/.test(fatal);
  return new TerminalError(
    'failed_precondition',
    inUse
      ? `nats-server cannot listen on port ${port ?? 0}: it is in use; choose another one, or 0 for any free port`
      : `nats-server ended at its start (${reason}) ${fatal.trim()}; see ${logFile}`,
  );
}

async function end(child: ChildProcess, exited: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill('SIGTERM');
  const timer = new AbortController();
  const late = sleep(stopTimeoutMs, timer.signal)
    .then(async () => {
      child.kill('SIGKILL');
      // The kernel may hold it, for a disk that does not answer.
      await sleep(killedTimeoutMs, timer.signal);
    })
    .catch(() => undefined);
  await Promise.race([exited, late]);
  timer.abort();
}

/**
 * How many bytes a server offers to the streams in `directory`: what `configFile` says of its last start, or more when the disk has
 * more by now. A server that counts anew finds less on a disk that its own streams have begun to fill, and does not bring
 * back a stream whose bound no longer fits: it would be missing until somebody makes it again.
 */
async function offeredStoreBytes(directory: string, configFile: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  const now = Math.floor(offeredShare * bavail * bsize);
  const before = /max_file_store: (\d+)\b/.exec(await readFile(configFile, 'utf8').catch(() => ''))?.[1];
  return Math.max(now, Number(before ?? 0));
}
