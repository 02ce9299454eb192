import type { RecipeIssue } from './check-recipe.ts';
import { fleetSchema } from './fleet-schema.ts';
import type { Recipe } from './schema.ts';

type Fleet = Pick<Recipe, 'fleet'>;

/** The device of each rank. */
export function rankDevices({ fleet: { learner } }: Fleet): readonly string[] {
  const { device, ranks } = learner;
  return Array.from({ length: ranks }, (_, rank) => {
    if (typeof device !== 'string') return device[rank] ?? 'cpu';
    return device === 'cuda' && ranks > 1 ? `cuda:${rank}` : device;
  });
}

/** A learner that exists: the fleet starts none. */
export function existingLearner({ fleet: { learner } }: Fleet): string | undefined {
  return learner.kind === 'external' ? learner.address : undefined;
}

/** What is of the fleet where the learner is not. */
const ofExternal: readonly string[] = ['kind', 'address', 'start_timeout_ms'];

function checkExternal({ fleet: { learner } }: Fleet): RecipeIssue[] {
  const defaults: Readonly<Record<string, unknown>> = fleetSchema.parse({}).learner;
  const issues: RecipeIssue[] = Object.entries(learner)
    .filter(([field, value]) => !ofExternal.includes(field) && value !== defaults[field])
    .map(([field, value]) => ({
      path: ['fleet', 'learner', field],
      message: 'is of a learner that the fleet starts; leave it out, and give it to the one at fleet.learner.address',
      value,
    }));
  if (learner.address === undefined)
    issues.push({
      path: ['fleet', 'learner', 'address'],
      message: 'is missing; kind: external needs the host:port of the learner',
    });
  return issues;
}

/** Ranks of one learner on devices of their own, or a learner that exists. */
export function checkLearner(recipe: Fleet): RecipeIssue[] {
  const { device, ranks, kind, address } = recipe.fleet.learner;
  const at = (field: string, message: string, value: unknown): RecipeIssue[] => [
    { path: ['fleet', 'learner', field], message, value },
  ];
  if (kind === 'external') return checkExternal(recipe);
  if (address !== undefined) return at('address', `is of no use with kind: ${kind}; set kind: external`, address);
  if (kind === 'scripted' && ranks > 1)
    return at('ranks', 'is of kind: builtin; a scripted learner is one process', ranks);
  if (typeof device !== 'string' && device.length !== ranks)
    return at('device', `lists ${device.length} for ${ranks} ranks; list one for each`, device);
  const gpus = rankDevices(recipe)
    .filter((name) => name !== 'cpu')
    .map((name) => (name === 'cuda' ? 'cuda:0' : name));
  if (gpus.length > 0 && gpus.length < ranks)
    return at('device', 'puts ranks on GPUs and on the CPU, which exchange nothing; choose one of them', device);
  const shared = gpus.find((name, index) => gpus.indexOf(name) !== index);
  if (shared === undefined) return [];
  return at(
    'device',
    `puts several ranks on ${shared}; write cuda for the first ${ranks} GPUs, or list one for each`,
    device,
  );
}
