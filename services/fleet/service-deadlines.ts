import { existingEngines, serverKindOf } from '#recipe/engine-part.ts';
import { rolloutStages } from '#stages/kit/rollout-stages.ts';
import type { Recipe } from '#recipe/schema.ts';

/** Timeouts of services that lie within deadlines of the recipe, in milliseconds. */
export interface ServiceDeadlines {
  /** The gateway's longest generation. A turn that the recipe allows must not be cut by it; the turn's own deadline travels with the call. */
  readonly generateMs: number;
  /** The worker's longest call that no limit of the task bounds more tightly: scoring, tokenising, and batches of tool calls. */
  readonly callMs: number;
  /** Loading a version: on one engine, and on all of them as the coordinator waits for it. Absent where the services' own defaults do. */
  readonly load?: { readonly engineMs: number; readonly fleetMs: number };
}

const leastGenerateMs = 120_000;
const leastCallMs = 30_000;
const leastLoadMs = 120_000;
const leastFleetLoadMs = 300_000;

/**
 * Services do not know the recipe: without this a recipe with long turns or tools would be cut by their defaults, whatever
 * it says. Never below the defaults, because a short deadline of the recipe reaches every call by itself.
 */
export function serviceDeadlines(recipe: Pick<Recipe, 'stages' | 'fleet'>): ServiceDeadlines {
  const limits = rolloutStages(recipe).map((stage) => stage.limits);
  return {
    generateMs: Math.max(leastGenerateMs, ...limits.map((limit) => limit.turn_timeout_ms)),
    callMs: Math.max(leastCallMs, ...limits.map((limit) => limit.tool_timeout_ms)),
    ...loadDeadlines(recipe),
  };
}

/** A server that cannot take weights while it runs is started again with them, in as long as its first start may take. */
function loadDeadlines(recipe: Pick<Recipe, 'fleet'>): Pick<ServiceDeadlines, 'load'> {
  if (serverKindOf(recipe) === undefined && existingEngines(recipe) === undefined) return {};
  const engineMs = Math.max(leastLoadMs, recipe.fleet.engine.start_timeout_ms);
  return { load: { engineMs, fleetMs: Math.max(leastFleetLoadMs, engineMs + 60_000) } };
}
