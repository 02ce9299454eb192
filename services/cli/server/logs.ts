import { resolve } from 'node:path';
import { RunEventSchema } from '#proto/coordinator/v1/coordinator_pb.ts';
import { CancelledError, TransientError, errorFrom } from '#platform/errors.ts';
import { sleep } from '#platform/async/sleep.ts';
import { runEvents } from '#run/ledger/run-events.ts';
import { create } from '@bufbuild/protobuf';
import type { RunEvent } from '#proto/coordinator/v1/coordinator_pb.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Coordinators } from '../run/coordinators.ts';
import { jsonLine, messageJson } from '../terminal/json-line.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { withStreams } from '../transcript/with-streams.ts';
import { openRuns, type RunsPlace } from './open-runs.ts';

export interface LogsOptions extends RunsPlace {
  readonly follow: boolean;
  /** Position after which events are wanted. */
  readonly after: number;
  /** The lines of metrics.jsonl in place of the events. */
  readonly metrics: boolean;
  readonly json: boolean;
}

/** A stream of a day is opened again rather than held. */
const streamTimeoutMs = 3_600_000;
const reconnectMs = 500;
/** How long nobody may answer before we give up. */
const mostSilenceMs = 120_000;

/** Prints what happened to a run, from its ledger; with `follow` until it ends. */
export async function logsCommand(runId: string, options: LogsOptions, terminal: Terminal): Promise<number> {
  const print = (event: RunEvent): void => {
    if (options.metrics) {
      if (event.metricsJson !== '') terminal.out(event.metricsJson);
    } else if (options.json) terminal.out(jsonLine(messageJson(RunEventSchema, event)));
    else terminal.out(`${new Date(Number(event.atMs)).toISOString()} ${event.position} ${event.text}`);
  };
  const leave = new AbortController();
  const onSignal = (): void => leave.abort(new CancelledError('cancelled', 'Ctrl-C'));
  process.once('SIGINT', onSignal);
  const coordinators = await openRuns(options);
  try {
    if (coordinators === undefined) await fromStreams(runId, options, leave.signal, print, terminal);
    else await fromCoordinators(coordinators, runId, options, leave.signal, print);
    return exitCodes.ok;
  } catch (thrown) {
    if (leave.signal.aborted) return exitCodes.stopped;
    throw thrown;
  } finally {
    process.off('SIGINT', onSignal);
    coordinators?.close();
  }
}

/** Goes on after the last event that came, whatever becomes of the coordinator that was asked. */
async function fromCoordinators(
  coordinators: Coordinators,
  runId: string,
  { after: first, follow }: LogsOptions,
  signal: AbortSignal,
  print: (event: RunEvent) => void,
): Promise<void> {
  let after = BigInt(first);
  let answeredMs = performance.now();
  for (;;) {
    try {
      const stream = coordinators.current.readEvents(
        { runId, after, follow },
        {
          signal,
          timeoutMs: follow ? streamTimeoutMs : mostSilenceMs,
        },
      );
      for await (const event of stream) {
        after = event.position;
        answeredMs = performance.now();
        print(event);
      }
      return;
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (signal.aborted) throw error;
      // Of a run that says nothing for long; what is there already comes at once.
      if (follow && error.code === 'deadline_exceeded') answeredMs = performance.now();
      else if (!(error instanceof TransientError) && error.code !== 'cancelled') throw error;
      if (performance.now() - answeredMs > mostSilenceMs) throw error;
      coordinators.next();
    }
    await sleep(reconnectMs, signal);
  }
}

/** No fleet runs, so nothing follows. */
async function fromStreams(
  runId: string,
  { home, after }: LogsOptions,
  signal: AbortSignal,
  print: (event: RunEvent) => void,
  terminal: Terminal,
): Promise<void> {
  const reader = { command: 'gradus logs', note: (line: string) => terminal.err(line) };
  await withStreams(resolve(home), reader, signal, async (nats) => {
    for await (const event of runEvents(nats, runId, { after, follow: false }, signal))
      print(create(RunEventSchema, event));
  });
}
