import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { sleep } from '#shared/async/sleep.ts';
import { TerminalError } from '#shared/errors.ts';
import { canonicalJson, locateInputs } from '#shared/recipe/resolve-recipe.ts';
import type { RecipePaths, RewardPaths } from '#shared/recipe/resolve-recipe.ts';
import { isAlive } from '#shared/runtime/is-alive.ts';
import type { FleetInputs } from './fleet-plan.ts';
import { rewardConfigOf } from './reward-plan.ts';

/** <home>/fleet.json: what runs here, for other commands to find. Removed when the fleet ends. */
const fleetFileSchema = z.object({
  format: z.literal(1),
  /** The supervisor. The file is stale when this process is gone. */
  pid: z.int(),
  /** `up` lends the fleet to any run that fits; `run` uses it for one run; a `reader` has only opened the streams. */
  owner: z.enum(['up', 'run', 'reader']),
  recipePath: z.string(),
  /** fleetKey of the inputs: a run with the same key can use this fleet. */
  key: z.string(),
  paths: z.object({
    model: z.string(),
    train: z.string(),
    held_out: z.string(),
    corpus: z.string(),
    scorers: z.record(z.string(), z.string()).exactOptional(),
    judge_keys: z.record(z.string(), z.string()).exactOptional(),
    judge_caches: z.record(z.string(), z.string()).exactOptional(),
  }),
  logs: z.string(),
  natsUrl: z.string(),
  /** Bound addresses and process ids, in the order of starting; empty while it starts. */
  services: z.array(
    z.object({
      label: z.string(),
      service: z.string(),
      pid: z.int(),
      grpc: z.string().optional(),
      metrics: z.string().optional(),
      nats: z.string().optional(),
    }),
  ),
});
export type FleetFile = z.infer<typeof fleetFileSchema>;

function fleetFilePath(home: string): string {
  return join(home, 'fleet.json');
}

/** What decides whether a recipe can run on a fleet: model, data, retrieval, judges and custom scorers, and the fleet itself. */
export function fleetKey(
  { recipe, paths }: Pick<FleetInputs, 'recipe'> & { paths: Pick<RecipePaths, 'model'> & RewardPaths },
  recipeFile: string,
): string {
  const { retrieval, fleet } = recipe;
  // Two recipes of the same text in different folders name different files.
  const { data } = locateInputs(recipe, recipeFile);
  const reward = rewardConfigOf(recipe, paths);
  return createHash('sha256')
    .update(canonicalJson({ model: paths.model, data, retrieval, fleet, reward }))
    .digest('hex');
}

/** The live fleet of `home`, or undefined when there is none (a file of a dead supervisor does not count). */
export async function readFleetFile(home: string): Promise<FleetFile | undefined> {
  const fleet = await parseFleetFile(home);
  return fleet !== undefined && isAlive(fleet.pid) ? fleet : undefined;
}

async function parseFleetFile(home: string): Promise<FleetFile | undefined> {
  const path = fleetFilePath(home);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return fleetFileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new TerminalError('data_loss', `${path} is not a fleet file of this version; remove it`, { cause });
  }
}

/** Takes `home` for a fleet. Throws when another live fleet has it. */
export async function claimHome(home: string, fleet: FleetFile): Promise<void> {
  await mkdir(home, { recursive: true });
  const other = await parseFleetFile(home);
  if (other !== undefined) {
    if (isAlive(other.pid)) throw fleetBusy(home, other);
    await leftBehindIsGone(other);
    await rm(fleetFilePath(home), { force: true });
  }
  let file;
  try {
    // 'wx': of two that start at the same moment one wins.
    file = await open(fleetFilePath(home), 'wx');
  } catch (cause) {
    throw new TerminalError('failed_precondition', `another fleet is starting in ${home}; use another --home`, {
      cause,
    });
  }
  await file.writeFile(JSON.stringify(fleet, undefined, 2));
  await file.close();
}

/** Longer than the guardian takes to end the children of a supervisor that was killed. */
const leftBehindMs = 8_000;

/** Two NATS servers on one store would damage it, so the old one has to be gone first. */
async function leftBehindIsGone(dead: FleetFile): Promise<void> {
  const untilMs = performance.now() + leftBehindMs;
  while (performance.now() < untilMs && dead.services.some(({ pid }) => isAlive(pid))) {
    await sleep(100, undefined);
  }
}

export async function updateFleetFile(home: string, fleet: FleetFile): Promise<void> {
  const temporary = `${fleetFilePath(home)}.${process.pid}`;
  await writeFile(temporary, JSON.stringify(fleet, undefined, 2));
  await rename(temporary, fleetFilePath(home));
}

export async function releaseHome(home: string): Promise<void> {
  await rm(fleetFilePath(home), { force: true });
}

export function fleetBusy(home: string, other: FleetFile): TerminalError {
  return new TerminalError(
    'failed_precondition',
    `${other.owner === 'reader' ? other.recipePath : `a fleet for ${other.recipePath}`} runs in ${home} (process ${other.pid}); stop it with 'gradus stop --home ${home}' or use another --home`,
  );
}

/** Fails early, before inputs are made, when another fleet has `home`. */
export async function claimableHome(home: string): Promise<void> {
  const other = await readFleetFile(home);
  if (other !== undefined) throw fleetBusy(home, other);
}
