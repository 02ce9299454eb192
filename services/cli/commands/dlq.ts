import { resolve } from 'node:path';
import { recordAtShell } from '#fleet/audit-file.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { dropDeadLetter, readDeadLetters, retryDeadLetter } from '#platform/nats/dead-letters.ts';
import type { DeadLetter } from '#platform/nats/dead-letters.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatDuration, shortId } from '../terminal/format.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { withNats, withStreams } from '../transcript/with-streams.ts';
import { jsonLine, jsonLines, messageJson } from '../terminal/json-line.ts';

export interface DlqOptions {
  readonly home: string;
  /** In place of the streams of a home. */
  readonly nats?: string;
  /** Directory of certificates for that server; the fleet of a home names its own. */
  readonly credentials?: string;
  readonly run?: string;
  readonly json: boolean;
  /** `retry` and `drop` only. */
  readonly all?: boolean;
}

export type DlqAction = 'list' | 'show' | 'retry' | 'drop';

const timeoutMs = 600_000;

/** Tasks that were given up: lists them, shows one, asks them again, drops them. With and without a running fleet. */
export async function dlqCommand(
  action: DlqAction,
  ids: readonly string[],
  options: DlqOptions,
  terminal: Terminal,
): Promise<number> {
  if ((action === 'retry' || action === 'drop') && (options.all === true) === ids.length > 0) {
    throw new TerminalError(
      'invalid_argument',
      `gradus dlq ${action}: give the numbers or task ids of dead letters, or --all (with --run: all of a run)`,
    );
  }
  const signal = AbortSignal.timeout(timeoutMs);
  const act = (nats: Nats): Promise<void> => perform(action, ids, options, nats, terminal, signal);
  if (options.nats === undefined) {
    const home = resolve(options.home);
    const reader = { command: `gradus dlq ${action}`, note: (line: string) => terminal.err(line) };
    const onStreams = (): Promise<void> => withStreams(home, reader, signal, act);
    const about = { letters: options.all === true ? 'all' : ids.join(','), ...(options.run && { run: options.run }) };
    await (action === 'list' || action === 'show'
      ? onStreams()
      : recordAtShell(home, `dlq ${action}`, about, onStreams));
  } else {
    await withNats(options.nats, signal, act, await openOperator(options.credentials && resolve(options.credentials)));
  }
  return exitCodes.ok;
}

async function perform(
  action: DlqAction,
  ids: readonly string[],
  options: DlqOptions,
  nats: Nats,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  if (action === 'list') {
    let count = 0;
    for await (const letter of readDeadLetters(nats, options.run, signal)) {
      count += 1;
      terminal.out(options.json ? jsonLine(letterJson(letter)) : letterLine(letter));
    }
    if (count === 0) terminal.err(`no dead letters${options.run === undefined ? '' : ` of run ${options.run}`}`);
    return;
  }
  // All are found before one is touched: a wrong id changes nothing.
  const letters =
    options.all === true
      ? readDeadLetters(nats, options.run, signal)
      : await findLetters(ids, options.run, nats, signal);
  let count = 0;
  for await (const letter of letters) {
    count += 1;
    if (action === 'show')
      terminal.out(options.json ? jsonLine(letterJson(letter, true)) : jsonLines(letterJson(letter, true)));
    else {
      await (action === 'retry' ? retryDeadLetter(nats, letter, signal) : dropDeadLetter(nats, letter));
      const done = action === 'retry' ? 'asked again' : 'dropped';
      terminal.out(options.json ? jsonLine({ ...letterJson(letter), done }) : `${done}: ${letterLine(letter)}`);
    }
  }
  if (count === 0) terminal.err('no dead letters');
}

async function findLetters(
  ids: readonly string[],
  runId: string | undefined,
  nats: Nats,
  signal: AbortSignal,
): Promise<DeadLetter[]> {
  const found = ids.map((): DeadLetter[] => []);
  for await (const letter of readDeadLetters(nats, runId, signal)) {
    for (const [index, id] of ids.entries()) {
      // Two are enough to know that an id is ambiguous.
      if (matches(letter, id) && (found[index]?.length ?? 0) < 2) found[index]?.push(letter);
    }
  }
  return ids.map((id, index) => {
    const [letter, other] = found[index] ?? [];
    if (letter === undefined) {
      const where = runId === undefined ? '' : ` of run ${runId}`;
      throw new TerminalError(
        'not_found',
        `no dead letter${where} has the number or a task id that begins with '${id}'; 'gradus dlq list' lists them`,
      );
    }
    if (other !== undefined) {
      throw new TerminalError(
        'invalid_argument',
        `'${id}' is the beginning of several task ids, those of dead letters ${letter.number} and ${other.number} among them; give the number`,
      );
    }
    return letter;
  });
}

/** A number names one letter exactly, so it is never taken for the beginning of a task id. */
function matches(letter: DeadLetter, id: string): boolean {
  if (/^\d{1,15}$/.test(id)) return letter.number === Number(id);
  return id !== '' && letter.task?.taskId.startsWith(id) === true;
}

function letterLine(letter: DeadLetter): string {
  const age = formatDuration(Date.now() - letter.diedAt.getTime());
  const task = letter.task === undefined ? '(no task)' : shortId(letter.task.taskId);
  return `${letter.number}  ${letter.runId}  ${task}  handed out again ${letter.redeliveries}x  ${age} ago  ${letter.reason}`;
}

function letterJson(letter: DeadLetter, whole = false): Record<string, unknown> {
  return {
    number: letter.number,
    run: letter.runId,
    taskId: letter.task?.taskId ?? null,
    reason: letter.reason,
    redeliveries: letter.redeliveries,
    diedAt: letter.diedAt.toISOString(),
    subject: letter.subject,
    ...(whole && {
      task: letter.task === undefined ? null : messageJson(RolloutTaskSchema, letter.task),
      ...(letter.task === undefined && { bytes: Buffer.from(letter.data.subarray(0, 4096)).toString('base64') }),
    }),
  };
}
