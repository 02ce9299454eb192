/**
 * The whole of a service's `main.ts`: config, logs, metrics, traces, start, the line with the bound addresses, and a
 * drain on SIGTERM or SIGINT. The same signal a second time ends the process at once.
 *
 * Exit codes: 0 drained, 1 failed, 2 bad config, 75 what it needs at its start was not available (start it again),
 * 128 + n ended by a second signal.
 */
import type { z } from 'zod';
import { TerminalError, errorFrom } from '../errors.ts';
import { type Logger, createLogger } from '../telemetry/logging.ts';
import { type Metrics, createMetrics } from '../telemetry/metrics.ts';
import { openSecurity, type Security } from '../security/security.ts';
import { startTracing } from '../telemetry/tracing.ts';
import { visibleText } from '../text/visible-text.ts';
import { type BaseConfig, loadConfig } from './config.ts';
import { describeConfig, maskConfig } from './config-text.ts';
import { type Lifecycle, createLifecycle, startLaterExitCode } from './lifecycle.ts';
import { isLoopbackAddress } from '../http/allowed-hosts.ts';
import { startMetricsServer } from './metrics-server.ts';

export interface ServiceContext {
  readonly name: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Aborts when the service begins to stop. */
  readonly signal: AbortSignal;
  /** For every client and every server of the service. */
  readonly security?: Security | undefined;
  /** Disposes `what` when the service stops, in reverse order. */
  defer(what: string, dispose: () => void | Promise<void>): void;
  /** Something that cannot be fixed here: drain, and exit with 1. */
  fail(error: unknown): void;
}

export interface ServiceDefinition<C> {
  readonly name: string;
  readonly config: z.ZodType<C>;
  /**
   * Gives the bound addresses by protocol, for example `{ grpc: '127.0.0.1:41234' }`. It imports the service itself: help, and what is
   * wrong with a setting, should not wait for gRPC and NATS to load.
   */
  start(config: C, ctx: ServiceContext): Promise<Readonly<Record<string, string>>>;
}

/** For closing connections and files after the work has ended, or was cut off at `drainMs`. */
const disposeMs = 2_000;
const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const;

export async function runService<C extends BaseConfig>(definition: ServiceDefinition<C>): Promise<void> {
  const argv = process.argv.slice(2);
  if (argv.includes('--help')) {
    process.stdout.write(describeConfig(`gradus serve ${definition.name}`, definition.config));
    return;
  }
  let config: C;
  try {
    config = loadConfig(definition.config, { env: process.env, argv });
    checkLoopback(config);
  } catch (error) {
    process.stderr.write(`${definition.name}: ${visibleText(errorFrom(error).message)}\n`);
    process.exitCode = 2;
    return;
  }

  const log = createLogger({ service: definition.name, level: config.logLevel });
  const lifecycle = createLifecycle(log);
  const release = watchProcess(lifecycle, log);
  log.info({ config: maskConfig(definition.config, config), pid: process.pid }, 'the service starts');
  const startFailure = await startAll(definition, config, lifecycle, log);

  await stopped(lifecycle.signal);
  const { clean } = await lifecycle.drain(config.drainMs + disposeMs);
  release();
  process.exitCode = clean && lifecycle.failure === undefined ? 0 : failureCode(startFailure);
  log.info({ exitCode: process.exitCode }, 'the service has stopped');
  endSoon(clean, log);
}

function failureCode(startFailure: unknown): number {
  return startFailure === undefined || errorFrom(startFailure) instanceof TerminalError ? 1 : startLaterExitCode;
}

/** Gives what the start failed with. */
async function startAll<C extends BaseConfig>(
  definition: ServiceDefinition<C>,
  config: C,
  lifecycle: Lifecycle,
  log: Logger,
): Promise<unknown> {
  const { name } = definition;
  const metrics = createMetrics({ processMetrics: true });
  try {
    const { otlpEndpoint: endpoint, otlpRatio: ratio } = config;
    const tracing = await startTracing({ service: name, endpoint, ratio, metrics });
    lifecycle.defer('traces', () => tracing.shutdown());
    const security = await openSecurity(config, { log, metrics, signal: lifecycle.signal });
    const http = await startMetricsServer(config.metrics, metrics, () => lifecycle.state === 'serving', {
      allowedHosts: config.allowedHosts,
      security,
    });
    lifecycle.defer('metrics', async () => await http[Symbol.asyncDispose]());
    const addresses = await definition.start(config, {
      name,
      log,
      metrics,
      signal: lifecycle.signal,
      security,
      defer: (what, dispose) => lifecycle.defer(what, dispose),
      fail: (error) => lifecycle.fail(error),
    });
    if (lifecycle.signal.aborted) return undefined;
    lifecycle.serving();
    process.stdout.write(`${JSON.stringify({ service: name, ...addresses, metrics: http.address })}\n`);
    return undefined;
  } catch (error) {
    // A start that was interrupted on purpose is not a failure.
    if (lifecycle.signal.aborted) return undefined;
    lifecycle.fail(error);
    return error;
  }
}

/** Without certificates nothing tells one caller from another, so a service stays on this machine unless the config says otherwise in words (DESIGN §10). */
function checkLoopback(config: BaseConfig & { readonly http?: unknown }): void {
  if (config.insecureRemote || config.tls.cert !== undefined) return;
  for (const key of ['grpc', 'metrics', 'http'] as const) {
    const address = config[key];
    if (typeof address !== 'string') continue;
    if (!isLoopbackAddress(address)) {
      throw new TerminalError(
        'invalid_argument',
        `${key}: '${address}' is reachable from other machines and callers are not authenticated; ` +
          'use 127.0.0.1, give --tls-ca, --tls-cert and --tls-key (gradus credentials init makes them), or set --insecure-remote where the network itself is trusted',
      );
    }
  }
}

/** Signals and stray errors of the process go to the lifecycle; gives the function that lets go of them. */
function watchProcess(lifecycle: Lifecycle, log: Logger): () => void {
  const askedFor = createStopRequests(() => performance.now());
  const onSignal = (name: StopSignal): void => {
    switch (askedFor(name)) {
      case 'stop':
        return lifecycle.stop(name);
      case 'repeat':
        return;
      case 'end':
        log.warn(`${name} a second time: the process ends now`);
        process.exit(128 + signalNumbers[name]);
    }
  };
  const onError = (error: unknown): void => lifecycle.fail(error);
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('uncaughtException', onError);
  process.on('unhandledRejection', onError);
  return () => {
    process.off('uncaughtException', onError);
    process.off('unhandledRejection', onError);
  };
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The process ends by itself once nothing is left; if something still holds it, it is ended. */
function endSoon(clean: boolean, log: Logger): void {
  const timer = setTimeout(
    () => {
      log.warn('something still held the process after everything was disposed');
      process.exit();
    },
    clean ? 1_000 : 0,
  );
  timer.unref();
}

export type StopSignal = 'SIGINT' | 'SIGTERM';

/**
 * What a signal asks for:
 * - `stop`: the first of its kind, drain.
 * - `repeat`: the same request once more, as a terminal and a parent may both pass it on.
 * - `end`: somebody does not want to wait for the drain.
 */
export type StopRequest = 'stop' | 'repeat' | 'end';

const sameRequestMs = 300;

/** `now` is monotonic, in milliseconds. */
export function createStopRequests(now: () => number): (signal: StopSignal) => StopRequest {
  const seenMs = new Map<StopSignal, number>();
  return (signal) => {
    const firstMs = seenMs.get(signal);
    if (firstMs !== undefined) return now() - firstMs > sameRequestMs ? 'end' : 'repeat';
    seenMs.set(signal, now());
    return 'stop';
  };
}
