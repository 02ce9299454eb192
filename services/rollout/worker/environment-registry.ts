import { TerminalError } from '#shared/errors.ts';
import type { Environment } from '../environments/environment.ts';

export type EnvironmentFactory = (options: unknown) => Environment;

/** Sets of options that are kept parsed; a run has a handful. */
const MAX_KEPT = 64;

/** Environments by name and options. Throws TerminalError('not_found') for an unknown name, and what the factory throws for bad options. */
export function createEnvironmentRegistry(factories: Readonly<Record<string, EnvironmentFactory>>) {
  const kept = new Map<string, Environment>();
  return {
    find(name: string, optionsJson: string, options: unknown): Environment {
      const key = `${name}\n${optionsJson}`;
      const known = kept.get(key);
      if (known !== undefined) return known;
      const factory = Object.hasOwn(factories, name) ? factories[name] : undefined;
      if (factory === undefined) {
        throw new TerminalError(
          'not_found',
          `environment '${name}' is unknown; this worker has: ${Object.keys(factories).join(', ')}`,
        );
      }
      const environment = factory(options);
      kept.set(key, environment);
      const [oldest] = kept.keys();
      if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
      return environment;
    },
  };
}

export type EnvironmentRegistry = ReturnType<typeof createEnvironmentRegistry>;
