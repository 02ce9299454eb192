import type { RecipeIssue } from './check-recipe.ts';
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

/** Ranks of one learner on devices of their own. */
export function checkLearner(recipe: Fleet): RecipeIssue[] {
  const { device, ranks, kind } = recipe.fleet.learner;
  const at = (field: string, message: string, value: unknown): RecipeIssue[] => [
    { path: ['fleet', 'learner', field], message, value },
  ];
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
