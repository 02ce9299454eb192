import { engineKinds } from '#engines/index.ts';
import type { EngineKind } from '#engines/kit/engine-kind.ts';
import type { RecipeIssue } from './check-recipe.ts';
import type { Recipe } from './schema.ts';
import { issuesOf } from './zod-issues.ts';

type Fleet = Pick<Recipe, 'fleet'>;

/** The kind of inference server that the fleet's engines stand next to; undefined where they are Gradus' own, or exist. */
export function serverKindOf({ fleet }: Fleet): EngineKind | undefined {
  return engineKinds.find(({ kind }) => kind === fleet.engine.kind);
}

/** Engines that exist: the fleet starts none. */
export function existingEngines({ fleet }: Fleet): readonly string[] | undefined {
  return fleet.engine.kind === 'external' ? fleet.engine.addresses : undefined;
}

/** The device of each engine that is started. */
export function engineDevices({ fleet: { engine, engines } }: Fleet): readonly string[] {
  const { device } = engine;
  return Array.from({ length: engines }, (_, index) =>
    typeof device === 'string' ? device : (device[index % device.length] ?? 'cpu'),
  );
}

function deviceProblems(recipe: Fleet): Pick<RecipeIssue, 'message' | 'value'>[] {
  const { engine, engines } = recipe.fleet;
  const { device } = engine;
  if (typeof device !== 'string' && device.length !== engines)
    return [{ message: `lists ${device.length} for ${engines} engines; list one for each`, value: device }];
  const gpus = engineDevices(recipe).flatMap((name) => (name === 'cpu' ? [] : name === 'cuda' ? ['cuda:0'] : [name]));
  const shared = gpus.find((name, index) => gpus.indexOf(name) !== index);
  if (shared === undefined || existingEngines(recipe) !== undefined) return [];
  const each = `[${gpus.map((_, index) => `cuda:${index}`).join(', ')}]`;
  return [{ message: `puts several engines on ${shared}; list a GPU for each, for example ${each}`, value: device }];
}

/** The recipe with every option of its kind of engine written out, and what the kind's own schema says against them. */
export function completeEngine<Given extends Fleet>(
  recipe: Given,
): { readonly recipe: Given; readonly issues: readonly RecipeIssue[] } {
  const { engine, engines } = recipe.fleet;
  const { kind, options, addresses } = engine;
  const issues: RecipeIssue[] = [];
  const at = (field: string, message: string, value?: unknown) =>
    issues.push({ path: ['fleet', 'engine', field], message, value });
  if (kind === 'external') {
    if (addresses.length === 0)
      at('addresses', 'is missing; kind: external needs the host:port of at least one engine');
    const twice = addresses.find((address, index) => addresses.indexOf(address) !== index);
    if (twice !== undefined) at('addresses', 'names an engine twice', twice);
    if (engines > 1)
      issues.push({
        path: ['fleet', 'engines'],
        message:
          'is how many are started, and kind: external starts none; leave it out, addresses says which there are',
        value: engines,
      });
  } else if (addresses.length > 0) at('addresses', `is of no use with kind: ${kind}; set kind: external`, addresses);
  for (const issue of deviceProblems(recipe)) issues.push({ path: ['fleet', 'engine', 'device'], ...issue });
  if (engine.kv_tokens > 0 && engine.kv_tokens < engine.max_context)
    at('kv_tokens', `must be at least max_context (${engine.max_context}), or 0`, engine.kv_tokens);
  if (engine.kv_tokens > 0 && kind !== 'builtin')
    at('kv_tokens', `is of kind: builtin; kind: ${kind} has its own`, engine.kv_tokens);
  const server = serverKindOf(recipe);
  if (server === undefined) {
    if (Object.keys(options).length > 0)
      at('options', `is of no use with kind: ${kind}; the kinds that have options are ${namesOfKinds()}`, options);
    return { recipe, issues };
  }
  if (server.start === undefined)
    at(
      'kind',
      `starts no server; run 'gradus serve engine --${kind} URL' next to one, and name that with kind: external`,
      kind,
    );
  const parsed = server.options.safeParse(options, { reportInput: true });
  if (!parsed.success) {
    for (const issue of issuesOf(server.options, parsed.error, options))
      issues.push({ ...issue, path: ['fleet', 'engine', 'options', ...issue.path] });
    return { recipe, issues };
  }
  // A recipe is JSON: what a schema makes of options has to be too.
  const complete = JSON.parse(JSON.stringify(parsed.data)) as typeof options;
  return { recipe: { ...recipe, fleet: { ...recipe.fleet, engine: { ...engine, options: complete } } }, issues };
}

function namesOfKinds(): string {
  return engineKinds.map(({ kind }) => kind).join(', ');
}
