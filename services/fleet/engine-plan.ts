import { join } from 'node:path';
import { environmentNamed } from '#environments/registry.ts';
import { questionFormatOf } from '#questions/question-row.ts';
import { engineDevices, existingEngines } from '#recipe/engine-part.ts';
import { flags, rootFlag, type FleetInputs, type PlannedProgram, type PlannedService } from './planned-service.ts';

/** Those that are started here; none where they exist, or an endpoint is asked. */
export function planEngines(inputs: FleetInputs, roots: readonly string[]): PlannedService[] {
  const { recipe } = inputs;
  const exist = recipe.model.endpoint !== undefined || existingEngines(recipe) !== undefined;
  const devices = exist ? [] : engineDevices(recipe);
  return devices.map((device, index): PlannedService => ({
    label: recipe.fleet.engines === 1 ? 'engine' : `engine-${index + 1}`,
    service: 'engine',
    readyTimeoutMs: recipe.fleet.engine.start_timeout_ms,
    ...engineProgram(inputs, roots, device),
  }));
}

function engineProgram({ recipe, paths }: FleetInputs, roots: readonly string[], device: string): PlannedProgram {
  const { engine, scripted } = recipe.fleet;
  const bounds = { 'max-context': engine.max_context, 'max-running': engine.max_running };
  switch (engine.kind) {
    case 'builtin':
      return {
        threads: engine.threads,
        args: flags({
          ...bounds,
          model: paths.model,
          ...rootFlag(roots),
          'cache-mebibytes': engine.cache_mebibytes,
          'kv-tokens': engine.kv_tokens,
          threads: engine.threads,
          device,
        }),
      };
    case 'scripted':
      return {
        program: 'scripted-engine',
        args: flags({
          ...bounds,
          ...rootFlag(roots),
          tokenizer: join(paths.model, 'tokenizer.json'),
          questions: JSON.stringify([paths.train, paths.held_out]),
          'questions-format': questionFormatOf(recipe.data),
          ...(paths.corpus !== undefined && { corpus: paths.corpus }),
          ...environmentNamed(recipe.environment.name).scripted?.(recipe.environment.options),
          turns: scripted.turns,
          'right-probability': scripted.right_probability,
          'latency-median-ms': scripted.latency_median_ms,
          'latency-sigma': scripted.latency_sigma,
        }),
      };
    // Any other kind is one of inference servers: its sidecar starts the server, and ends with it.
    default:
      return {
        program: 'engine-sidecar',
        waitsFor: engine.kind,
        args: flags({
          ...bounds,
          ...rootFlag(roots),
          kind: engine.kind,
          'start-timeout-ms': engine.start_timeout_ms,
          model: paths.model,
          options: JSON.stringify(engine.options),
          threads: engine.threads,
          device,
        }),
      };
  }
}
