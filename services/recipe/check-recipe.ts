import { formats } from '#questions/formats/index.ts';
import { unknownFields } from '#questions/named-columns.ts';
import { fleetBounds } from '#platform/runtime/fleet-bounds.ts';
import { checkDeclaredScorers } from './check-declared-scorers.ts';
import { checkUses } from '#stages/kit/artefacts.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import { hasScript, needsRetrieval } from './environment-part.ts';
import { checkLearner } from './learner-part.ts';
import type { Recipe } from './schema.ts';

/** A rule that the recipe breaks: where, the value there, and what to do. */
export interface RecipeIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly value?: unknown;
  /** Of an unknown key: the known one that is nearest, where one is near. */
  readonly unknownKey?: { readonly meant: string | undefined };
}

/** Rules between fields. The schema has already checked each field alone. */
export function checkRecipe(recipe: Recipe): RecipeIssue[] {
  const issues = checkDeclaredScorers(recipe);
  const sources = Object.entries(recipe.data).filter(([, value]) => value !== undefined);
  if (sources.length !== 1) {
    const found = sources.length === 0 ? 'none is there' : `${sources.map(([key]) => key).join(' and ')} are there`;
    issues.push({ path: ['data'], message: `needs exactly one of world, musique, files, rows; ${found}` });
  }
  issues.push(...checkModel(recipe));
  issues.push(...checkData(recipe));
  if (recipe.fleet.engine.kind === 'scripted' && !hasScript(recipe)) {
    issues.push({
      path: ['fleet', 'engine', 'kind'],
      message: `environment ${recipe.environment.name} has no script that an engine could play; use builtin`,
      value: recipe.fleet.engine.kind,
    });
  }
  if (!recipe.eval.sampled && !recipe.eval.greedy) {
    issues.push({ path: ['eval'], message: 'needs sampled or greedy (or both) to be true' });
  }
  if (recipe.retrieval.method === 'dense' && recipe.retrieval.encoder === undefined) {
    issues.push({ path: ['retrieval', 'encoder'], message: 'is needed when method is dense' });
  }
  if (recipe.retrieval.method === 'lexical' && recipe.retrieval.encoder !== undefined) {
    const message = 'is used when method is dense; set retrieval.method: dense, or leave the encoder out';
    issues.push({ path: ['retrieval', 'encoder'], message, value: recipe.retrieval.encoder });
  }
  const { kind, max_running: running } = recipe.fleet.engine;
  if (kind === 'builtin' && running > fleetBounds.builtinRunning) {
    issues.push({
      path: ['fleet', 'engine', 'max_running'],
      message: `must be at most ${fleetBounds.builtinRunning} with kind: builtin`,
      value: running,
    });
  }
  if (recipe.fleet.learner.kind === 'scripted' && recipe.fleet.engine.kind !== 'scripted') {
    issues.push({
      path: ['fleet', 'learner', 'kind'],
      message: 'needs fleet.engine.kind: scripted; a model cannot load weights that nobody trained',
      value: recipe.fleet.learner.kind,
    });
  }
  issues.push(...checkLearner(recipe));
  const names = new Map<string, number>();
  for (const [index, stage] of recipe.stages.entries()) {
    const first = names.get(stage.name);
    if (first !== undefined) {
      issues.push({
        path: ['stages', index, 'name'],
        message: `is already the name of stages[${first}]`,
        value: stage.name,
      });
    }
    names.set(stage.name, index);
    for (const issue of [...checkUses(recipe, index), ...kindOf(stage).check(stage, recipe)]) {
      issues.push({ ...issue, path: ['stages', index, ...issue.path] });
    }
  }
  return issues;
}

/** Columns that the format knows, and a corpus where one is searched. */
function checkData(recipe: Recipe): RecipeIssue[] {
  const { rows, files } = recipe.data;
  const issues: RecipeIssue[] = unknownFields(rows?.format ?? 'gradus', rows?.columns ?? {}).map(
    ({ field, message }) => ({ path: ['data', 'rows', 'columns', field], message }),
  );
  if (!needsRetrieval(recipe)) return issues;
  const { name } = recipe.environment;
  const fix = `environment ${name} searches: name the corpus, or an environment that does not search`;
  if (rows !== undefined && rows.corpus === undefined && !formats[rows.format].hasParagraphs)
    issues.push({
      path: ['data', 'rows', 'corpus'],
      message: `is missing; rows of format ${rows.format} bring no paragraphs, and ${fix}`,
    });
  if (files !== undefined && files.corpus === undefined)
    issues.push({ path: ['data', 'files', 'corpus'], message: `is missing; ${fix}` });
  return issues;
}

/** A model directory, or an endpoint under stages that can do with text. */
function checkModel({ model, fleet, stages }: Recipe): RecipeIssue[] {
  const { path, endpoint, weights, lora, backend } = model;
  const issues: RecipeIssue[] = [];
  if (lora !== undefined && (endpoint !== undefined || fleet.learner.kind === 'scripted'))
    issues.push({
      path: ['model', 'lora'],
      message: `needs weights that are trained, and ${endpoint === undefined ? 'fleet.learner.kind: scripted' : 'model.endpoint'} trains none; leave it out`,
      value: lora,
    });
  if (backend === 'transformers' && weights !== undefined)
    issues.push({
      path: ['model', 'weights'],
      message: 'makes fresh weights with backend: builtin alone; give the path of a model that has weights',
      value: weights,
    });
  if (endpoint === undefined) {
    if (path === undefined)
      issues.push({ path: ['model'], message: 'needs path, or endpoint with base_url and model' });
    return issues;
  }
  if (path !== undefined)
    issues.push({ path: ['model', 'path'], message: 'cannot stand next to endpoint; give one of them', value: path });
  if (weights !== undefined)
    issues.push({ path: ['model', 'weights'], message: 'needs path: an endpoint has its own', value: weights });
  if (fleet.engine.kind !== 'builtin')
    issues.push({
      path: ['fleet', 'engine', 'kind'],
      message: 'is of no use with model.endpoint; leave it out',
      value: fleet.engine.kind,
    });
  if (fleet.gateways !== 1)
    issues.push({
      path: ['fleet', 'gateways'],
      message: 'is of no use with model.endpoint, whose max_running holds in one process; leave it out',
      value: fleet.gateways,
    });
  for (const [index, stage] of stages.entries()) {
    if (kindOf(stage).textSuffices === true) continue;
    issues.push({
      path: ['stages', index, 'kind'],
      message: 'needs weights or tokens, and model.endpoint gives text alone; give model.path, or leave the stage out',
      value: stage.kind,
    });
  }
  return issues;
}
