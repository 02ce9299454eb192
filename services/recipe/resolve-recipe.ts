import { createHash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import { checkRecipeValue, formatIssue } from './parse-recipe.ts';
import type { Recipe } from './schema.ts';
import { placeOfInput, type RecipePlace } from './stored-inputs.ts';

/** Absolute paths of what a run reads. */
export interface RecipePaths {
  /** Of an endpoint a folder with endpoint.json: what is asked, and where. */
  readonly model: string;
  readonly train: string;
  readonly held_out: string;
  /** Absent where the environment searches none. */
  readonly corpus?: string;
  /** Folder from which paths in the environment's options start; absent where it has none. */
  readonly environment?: string;
  /** The file of an environment of the user's own. */
  readonly environment_file?: string;
  /** Directories of `encoder` and `reranker`; absent where the recipe names none by a path. */
  readonly search_models?: Readonly<Record<string, string>>;
  /** Files of custom scorers, by scorer; absent where none has one. */
  readonly scorers?: Readonly<Record<string, string>>;
  /** Files that stages name, by `STAGE/FILE`; absent where none does. */
  readonly stages?: Readonly<Record<string, string>>;
  /** Files that hold the keys of judges, by judge; absent where none has one. */
  readonly judge_keys?: Readonly<Record<string, string>>;
  /** Folders of judges' replies, by judge. */
  readonly judge_caches?: Readonly<Record<string, string>>;
}

/** All of them. */
export function pathsOf(paths: RecipePaths): string[] {
  return Object.values(paths).flatMap((value: string | Readonly<Record<string, string>>) =>
    typeof value === 'string' ? [value] : Object.values(value),
  );
}

/** Those that the reward service uses. */
export type RewardPaths = Pick<RecipePaths, 'scorers' | 'judge_keys' | 'judge_caches'>;

/** What a run is submitted with: the recipe with all defaults, and where its inputs lie on this machine. */
export interface ResolvedRecipe {
  readonly format: 1;
  /** As the user gave it; for people. */
  readonly recipe_path: string;
  /** Values of it that were given next to the file, as `stages.0.until.steps=2`; for people: `recipe` has them. */
  readonly set?: readonly string[];
  readonly recipe: Recipe;
  readonly paths: RecipePaths;
  /** Where the run's files lay when this was written, in a run's recipe.json: a run may be moved. */
  readonly directory?: string;
  /** What it stood on, in a run's recipe.json. */
  readonly inputs?: readonly RecordedInput[];
}

/** A file that a run stands on, by its content. */
export interface RecordedInput {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** SHA-256, lower-case hex. */
  readonly digest: string;
  readonly bytes: number;
}

/** Where the inputs lie that a recipe names; an endpoint is none. Reads nothing. */
export function locateInputs(recipe: Recipe, place: RecipePlace): { model: string | undefined; data: Recipe['data'] } {
  const at = (path: string) => placeOfInput(path, place);
  const { musique, files, rows, world } = recipe.data;
  return {
    model: recipe.model.path === undefined ? undefined : at(recipe.model.path),
    data: {
      ...(world !== undefined && { world }),
      ...(musique !== undefined && {
        musique: {
          ...musique,
          questions: at(musique.questions),
          ...(musique.corpus !== undefined && { corpus: at(musique.corpus) }),
        },
      }),
      ...(files !== undefined && {
        files: {
          train: at(files.train),
          held_out: at(files.held_out),
          ...(files.corpus !== undefined && { corpus: at(files.corpus) }),
        },
      }),
      ...(rows !== undefined && {
        rows: {
          ...rows,
          train: at(rows.train),
          held_out: typeof rows.held_out === 'string' ? at(rows.held_out) : rows.held_out,
          ...(rows.corpus !== undefined && { corpus: at(rows.corpus) }),
        },
      }),
    },
  };
}

/** The files of a located `data`, before anything is made of them. Empty where there is none, as for a generated world. */
export function sourcesOf({ musique, files, rows }: Recipe['data']): {
  readonly train: string;
  readonly heldOut: string;
  readonly corpus: string | undefined;
} {
  const heldOut = rows?.held_out;
  return {
    train: files?.train ?? rows?.train ?? musique?.questions ?? '',
    heldOut: files?.held_out ?? (typeof heldOut === 'string' ? heldOut : ''),
    corpus: files?.corpus ?? rows?.corpus ?? musique?.corpus,
  };
}

/** Files that the reward service reads for a recipe, made absolute against the recipe's folder. Reads nothing. */
export function locateRewardFiles(
  { judges, scorers }: Pick<Recipe, 'judges' | 'scorers'>,
  recipeFile: string,
): RewardPaths {
  const at = (path: string) => resolve(dirname(recipeFile), path);
  const files = Object.entries(scorers ?? {}).flatMap(([name, scorer]) =>
    'path' in scorer ? [[name, at(scorer.path)] as const] : [],
  );
  const ofJudges = (key: 'api_key_file' | 'cache_directory') =>
    Object.entries(judges ?? {}).flatMap(([name, { [key]: path }]) =>
      path === undefined ? [] : [[name, at(path)] as const],
    );
  const keys = ofJudges('api_key_file');
  const caches = ofJudges('cache_directory');
  return {
    ...(files.length > 0 && { scorers: Object.fromEntries(files) }),
    ...(keys.length > 0 && { judge_keys: Object.fromEntries(keys) }),
    ...(caches.length > 0 && { judge_caches: Object.fromEntries(caches) }),
  };
}

/** The file of the recipe's own environment, made absolute. Reads nothing. */
export function locateEnvironment(
  { environment }: Pick<Recipe, 'environment'>,
  recipeFile: string,
): Pick<RecipePaths, 'environment_file'> {
  const { path } = environment;
  return path === undefined ? {} : { environment_file: resolve(dirname(recipeFile), path) };
}

/** Directories of the models that search, without the name of a file of weights after `:`. A hub id has none. Reads nothing. */
export function locateSearchModels({ retrieval }: Pick<Recipe, 'retrieval'>): Pick<RecipePaths, 'search_models'> {
  const { encoder, reranker } = retrieval;
  const models = Object.entries({ encoder, reranker: reranker?.model }).flatMap(([name, model]) =>
    model?.startsWith('/') === true ? [[name, model.replace(/:[^/:][^:]*$/, '')] as const] : [],
  );
  return models.length === 0 ? {} : { search_models: Object.fromEntries(models) };
}

/** Where the files lie that the stages name. Reads nothing. */
export function locateStageFiles({ stages }: Pick<Recipe, 'stages'>, place: RecipePlace): Pick<RecipePaths, 'stages'> {
  const files = stages.flatMap((stage) =>
    Object.entries(kindOf(stage).files?.(stage) ?? {}).map(
      ([name, path]) => [`${stage.name}/${name}`, placeOfInput(path, place)] as const,
    ),
  );
  return files.length === 0 ? {} : { stages: Object.fromEntries(files) };
}

/** The files of one stage, by what they are. */
export function filesOfStage(paths: Pick<RecipePaths, 'stages'>, stage: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(paths.stages ?? {}).flatMap(([name, path]) =>
      name.startsWith(`${stage}/`) ? [[name.slice(stage.length + 1), path]] : [],
    ),
  );
}

/** The path of one of them. */
export function stageFile(paths: Pick<RecipePaths, 'stages'>, stage: string, name: string): string {
  const path = paths.stages?.[`${stage}/${name}`];
  if (path === undefined)
    throw new TerminalError('internal', `the resolved recipe has no path of file ${name} of stage ${stage}`);
  return path;
}

export function resolveRecipe(
  recipe: Recipe,
  recipePath: string,
  paths: RecipePaths,
  set: readonly string[] = [],
): ResolvedRecipe {
  return { format: 1, recipe_path: recipePath, ...(set.length > 0 && { set }), recipe, paths };
}

/** Stable JSON: keys sorted at every level. */
export function resolvedRecipeJson(resolved: ResolvedRecipe): string {
  return canonicalJson(resolved);
}

/** Of `groups` in some kinds of stages. */
const notDeciding = {
  straggler_after: undefined,
  max_infrastructure_failures: undefined,
  max_data_failures: undefined,
};

/**
 * SHA-256, lower-case hex, of what decides the tasks: the recipe with its defaults, without the fleet and the judges, without this
 * machine's paths, and without what is done about failures. The same recipe gives the same hash in every run directory and on
 * every fleet (P8).
 */
export function recipeHash(recipe: Recipe): string {
  const { fleet: _fleet, judges: _judges, ...rest } = recipe;
  const stages = rest.stages.map((stage) => {
    if (!('groups' in stage)) return stage;
    const {
      straggler_after: _s,
      max_infrastructure_failures: _i,
      max_data_failures: _d,
      ...deciding
    } = {
      ...notDeciding,
      ...stage.groups,
    };
    return { ...stage, groups: deciding };
  });
  const deciding = { ...rest, stages };
  return createHash('sha256').update(canonicalJson(deciding)).digest('hex');
}

const absolute = z.string().min(1);

const envelopeSchema = z.strictObject({
  format: z.literal(1),
  recipe_path: z.string().max(4096),
  set: z.array(z.string().max(65_536)).max(1024).exactOptional(),
  recipe: z.unknown(),
  paths: z.strictObject({
    model: absolute,
    train: absolute,
    held_out: absolute,
    corpus: absolute.exactOptional(),
    environment: absolute.exactOptional(),
    environment_file: absolute.exactOptional(),
    search_models: z.record(z.string(), absolute).exactOptional(),
    scorers: z.record(z.string(), absolute).exactOptional(),
    stages: z.record(z.string(), absolute).exactOptional(),
    judge_keys: z.record(z.string(), absolute).exactOptional(),
    judge_caches: z.record(z.string(), absolute).exactOptional(),
  }),
  directory: z.string().min(1).max(4096).exactOptional(),
  inputs: z
    .array(
      z.strictObject({
        name: z.string(),
        path: absolute,
        digest: z.string().regex(/^[0-9a-f]{64}$/),
        bytes: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
      }),
    )
    .exactOptional(),
});

/** Checks what arrives over the wire or from a ledger. Throws TerminalError('invalid_argument'). */
export function parseResolvedRecipe(json: string): ResolvedRecipe {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new TerminalError('invalid_argument', 'recipe_json: not JSON; submit what resolveRecipe gives', { cause });
  }
  const envelope = envelopeSchema.safeParse(value);
  if (!envelope.success) {
    const first = envelope.error.issues[0];
    throw new TerminalError(
      'invalid_argument',
      `recipe_json: ${first?.path.join('.') ?? ''}: ${first?.message ?? 'malformed'}; submit what resolveRecipe gives`,
    );
  }
  const outcome = checkRecipeValue(envelope.data.recipe);
  if (outcome.kind === 'issues') {
    throw new TerminalError(
      'invalid_argument',
      `recipe_json: ${outcome.issues.map((issue) => formatIssue(issue)).join('; ')}`,
    );
  }
  return { ...envelope.data, recipe: outcome.recipe };
}

export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}
