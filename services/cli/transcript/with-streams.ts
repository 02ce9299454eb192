import { join } from 'node:path';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { connectNats, type Nats } from '#platform/nats/connect.ts';
import type { Security } from '#platform/security/security.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import { claimHome, describeLeftBehind, type FleetDescription } from '#fleet/claim-home.ts';
import { readFleetFile, type FleetFile } from '#fleet/fleet-file.ts';
import { startNats } from '#fleet/start-nats.ts';
import { stat } from 'node:fs/promises';

export interface StreamsReader {
  /** Named to anyone who finds the home taken meanwhile: `gradus dlq list`. */
  readonly command: string;
  /** For the person at the terminal. */
  note(line: string): void;
}

/** The streams of a live fleet, or those stored in the home, served by a NATS of our own while we read. */
export async function withStreams<T>(
  home: string,
  reader: StreamsReader,
  signal: AbortSignal,
  use: (nats: Nats) => Promise<T>,
): Promise<T> {
  const fleet = await readFleetFile(home);
  if (fleet !== undefined) {
    return await withFleetNats(fleet, signal, use);
  }
  if (!(await isDirectory(join(home, 'nats')))) {
    throw new TerminalError('not_found', `${home} holds no streams of past runs; is --home right?`);
  }
  // A fleet that started now would open the same store a second time.
  const claim = await claimHome(home, readerOf(home, reader.command));
  try {
    if (claim.leftBehind.length > 0) reader.note(describeLeftBehind(claim.leftBehind));
    const server = await startNats({ home, at: undefined, guardian: claim.guardian, signal });
    try {
      return await withNats(`nats://${server.addresses.nats ?? ''}`, signal, use);
    } finally {
      await server.stop(5_000);
    }
  } finally {
    await claim.release();
  }
}

function readerOf(home: string, command: string): FleetDescription {
  return {
    owner: 'reader',
    recipePath: `'${command}'`,
    key: '',
    paths: { model: '', train: '', held_out: '' },
    inputs: [],
    logs: home,
    natsUrl: '',
    services: [],
  };
}

/** The streams of a fleet that runs, as its operator. */
export async function withFleetNats<T>(
  { natsUrl, credentials }: Pick<FleetFile, 'natsUrl' | 'credentials'>,
  signal: AbortSignal,
  use: (nats: Nats) => Promise<T>,
): Promise<T> {
  return await withNats(natsUrl, signal, use, await openOperator(credentials));
}

/** The streams of a server that somebody else runs. */
export async function withNats<T>(
  url: string,
  signal: AbortSignal,
  use: (nats: Nats) => Promise<T>,
  security?: Security,
): Promise<T> {
  if (url === 'nats://' || url === '') {
    throw new TransientError(
      'unavailable',
      'another command opens or reads the streams of this home; try again in a moment',
    );
  }
  const nats = await connectNats({
    url,
    name: 'gradus-cli',
    log: createLogger({ service: 'gradus', level: 'error' }),
    signal,
    security,
  });
  try {
    return await use(nats);
  } finally {
    await nats.close();
  }
}

export async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    // Absent, which is the answer.
    return false;
  }
}
