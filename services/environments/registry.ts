import type { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { environments } from './index.ts';
import { ownEnvironmentNamed } from './own-file/load.ts';
import type { Environment, EnvironmentDefinition } from './kit/environment.ts';
import type { EnvironmentClients } from './kit/clients.ts';

/** Sets of options that are kept open; a run has a handful. */
const mostKept = 64;

/** An environment in use; dispose it when the episode is over. */
export interface EnvironmentLease extends Disposable {
  /** With the rewards of these options. */
  readonly definition: EnvironmentDefinition;
  readonly environment: Environment;
}

export interface EnvironmentRegistry extends AsyncDisposable {
  /** Throws TerminalError for a name or options that cannot be, and whatever `open` throws. */
  acquire(name: string, options: unknown): Promise<EnvironmentLease>;
}

interface Kept {
  readonly opened: Promise<{ readonly definition: EnvironmentDefinition; readonly environment: Environment }>;
  users: number;
  dropped: boolean;
  closed: boolean;
}

/** Opens each environment once for each set of options, and closes it when nothing uses it and others took its place. */
export function createEnvironmentRegistry(clients: EnvironmentClients): EnvironmentRegistry {
  const kept = new Map<string, Kept>();

  function open(name: string, options: unknown): Kept {
    const opened = (async () => {
      const found = environmentNamed(name);
      const parsed = parseOptions(found, options);
      const environment = await found.open(parsed, clients);
      const rewards = environment.rewards ?? found.rewardsOf?.(parsed) ?? found.rewards;
      return { definition: { ...found, rewards }, environment };
    })();
    return { opened, users: 0, dropped: false, closed: false };
  }

  async function closeUnused(entry: Kept): Promise<void> {
    if (entry.users > 0 || !entry.dropped || entry.closed) return;
    entry.closed = true;
    const { environment } = await entry.opened;
    await environment.close?.();
  }

  return {
    async acquire(name, options) {
      const key = JSON.stringify([name, options]);
      const entry = kept.get(key) ?? open(name, options);
      kept.delete(key);
      kept.set(key, entry);
      entry.users += 1;
      try {
        const { definition, environment } = await entry.opened;
        const [oldest] = kept;
        if (kept.size > mostKept && oldest !== undefined) {
          kept.delete(oldest[0]);
          oldest[1].dropped = true;
          await closeUnused(oldest[1]);
        }
        return { definition, environment, [Symbol.dispose]: () => release(entry) };
      } catch (thrown) {
        kept.delete(key);
        throw thrown;
      }
    },
    async [Symbol.asyncDispose]() {
      const entries = [...kept.values()];
      kept.clear();
      for (const entry of entries) {
        entry.dropped = true;
        entry.users = 0;
        await closeUnused(entry);
      }
    },
  };

  function release(entry: Kept): void {
    entry.users -= 1;
    // Nothing waits for it; what an environment throws while it closes changes no rollout.
    closeUnused(entry).catch(() => {});
  }
}

export function findEnvironment(name: string): EnvironmentDefinition | undefined {
  return environments.find((definition) => definition.name === name) ?? ownEnvironmentNamed(name);
}

/** Throws TerminalError('not_found') that names the environments there are. */
export function environmentNamed(name: string): EnvironmentDefinition {
  const found = findEnvironment(name);
  if (found !== undefined) return found;
  const names = environments.map((definition) => definition.name);
  const meant = suggest(name, names);
  const help = meant === undefined ? `there are: ${names.join(', ')}` : `did you mean ${meant}?`;
  throw new TerminalError('not_found', `environment '${name}' is unknown; ${help}`);
}

export function parseOptions(definition: EnvironmentDefinition, options: unknown): unknown {
  const parsed = definition.options.safeParse(options);
  if (parsed.success) return parsed.data;
  throw new TerminalError(
    'invalid_argument',
    `environment ${definition.name}: ${parsed.error.issues.map(problemOf).join('; ')}`,
  );
}

function problemOf({ path, message }: z.core.$ZodIssue): string {
  return path.length === 0 ? message : `${path.join('.')}: ${message}`;
}
