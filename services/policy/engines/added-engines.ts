import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';

export interface AddedEnginesOptions {
  readonly folder: string;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  /** Throws for an address that AddEngine would refuse. */
  readonly check: (address: string) => void;
  /** Idempotent. */
  readonly onAdded: (address: string) => void;
  /** Was in the folder, and another gateway took it out. */
  readonly onRemoved: (address: string) => Promise<unknown>;
  readonly onFailed: (folder: string, error: Error) => void;
}

export interface AddedEngines {
  /** Idempotent. */
  record(address: string): Promise<void>;
  /** Idempotent. */
  forget(address: string): Promise<void>;
}

/**
 * The engines that were added by hand, which gateways of one folder share: an empty file per engine, named by its address.
 * One step makes or removes a file, so that two gateways never overwrite what the other wrote. The folder is read once when
 * this returns; what is wrong with it then is thrown, and reported later.
 */
export async function followAddedEngines(options: AddedEnginesOptions): Promise<AddedEngines> {
  const { folder, intervalMs, signal } = options;
  const seen = new Set<string>();
  // One at a time: a look that began before a removal would take the engine in again.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (step: () => Promise<void>): Promise<void> => {
    const mine = last.then(step);
    last = mine.catch(() => undefined);
    return mine;
  };
  const failed = (thrown: unknown): void => options.onFailed(folder, errorFrom(thrown));

  async function look(): Promise<void> {
    const present = new Set(await inFolder(folder, 'read', () => readdir(folder)));
    for (const address of seen) {
      if (present.has(address)) continue;
      seen.delete(address);
      options.onRemoved(address).catch(failed);
    }
    const problems: string[] = [];
    for (const address of present) {
      if (seen.has(address)) continue;
      try {
        options.check(address);
        options.onAdded(address);
        seen.add(address);
      } catch (thrown) {
        problems.push(`'${address}' (${errorFrom(thrown).message})`);
      }
    }
    if (problems.length > 0)
      throw new TerminalError(
        'failed_precondition',
        `enginesFolder: ${folder} has files that name no engine of this gateway: ${problems.join('; ')}; delete these files`,
      );
  }

  await inFolder(folder, 'made', () => mkdir(folder, { recursive: true }));
  await inTurn(look);
  void (async () => {
    while (!signal.aborted) {
      await sleep(intervalMs, signal).catch(() => undefined);
      if (!signal.aborted) await inTurn(look).catch(failed);
    }
  })();

  return {
    record: (address) =>
      inTurn(async () => {
        await inFolder(folder, 'written', () => writeFile(join(folder, address), ''));
        seen.add(address);
      }),
    forget: (address) =>
      inTurn(async () => {
        await inFolder(folder, 'written', () => rm(join(folder, address), { force: true }));
        seen.delete(address);
      }),
  };
}

async function inFolder<T>(folder: string, what: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (thrown) {
    throw new TransientError(
      'unavailable',
      `enginesFolder: ${folder} cannot be ${what} (${errorFrom(thrown).message}); it must be a folder that the gateway may write`,
      { cause: thrown },
    );
  }
}
