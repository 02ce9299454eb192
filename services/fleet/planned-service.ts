import type { RecipePaths } from '#recipe/resolve-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { ServiceName } from './service-programs.ts';

/** One process of the fleet. `args` get `--grpc` and `--metrics` added when it starts. */
export interface PlannedService {
  readonly label: string;
  readonly service: ServiceName;
  /** What runs in that role; the service's own program when absent. */
  readonly program?: ServiceName;
  readonly args: readonly string[];
  /** Of a service that is several processes, the further arguments of each; the first one serves. */
  readonly ranks?: readonly (readonly string[])[];
  /** CPU threads of a Python service. */
  readonly threads?: number;
  /** Longest time from its start until it serves; the same for all services when absent. */
  readonly readyTimeoutMs?: number;
  /** What people wait for while it starts; its label when absent. */
  readonly waitsFor?: string;
  /** Environment variables that it reads next to its own settings: keys of other servers. */
  readonly variables?: readonly string[];
  /**
   * Time to end in when it is started again on purpose (a full disk, an address that moved). Absent: it is killed; a lone coordinator
   * that is asked to end would stop its runs.
   */
  readonly replaceGraceMs?: number;
}

/** What runs, of a service of which there are several kinds. */
export type PlannedProgram = Pick<PlannedService, 'program' | 'args' | 'ranks' | 'threads' | 'waitsFor'>;

export interface FleetInputs {
  readonly recipe: Recipe;
  readonly paths: RecipePaths;
}

/** `{ 'max-context': 1024 }` as `--max-context 1024`. */
export function flags(values: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(values).flatMap(([key, value]) => [`--${key}`, `${value}`]);
}

/** Where runs and models may lie; none is anywhere. */
export function rootFlag(roots: readonly string[]): Record<string, string> {
  return roots.length === 0 ? {} : { roots: JSON.stringify(roots) };
}
