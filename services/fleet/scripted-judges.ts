import { questionFormatOf } from '#questions/question-row.ts';
import { judgesSchema } from '#recipe/reward-parts.ts';
import { flags, type FleetInputs, type PlannedService } from './planned-service.ts';

const labelOf = (name: string): string => `judge-${name}`;

/** One process for each of `fleet.scripted_judges`, which knows the questions of the run. They start before who asks them. */
export function planScriptedJudges({ recipe, paths }: FleetInputs): PlannedService[] {
  // Only MuSiQue's rows have the answers on the way.
  const questions = questionFormatOf(recipe.data) === 'musique' ? [paths.train, paths.held_out] : [];
  return Object.entries(recipe.fleet.scripted_judges).map(([name, settings]) => ({
    label: labelOf(name),
    service: 'scripted-judge',
    args: flags({
      questions: JSON.stringify(questions),
      noise: settings.noise,
      'position-bias': settings.position_bias,
      'tie-band': settings.tie_band,
      seed: settings.seed,
      'latency-median-ms': settings.latency_median_ms,
      'latency-sigma': settings.latency_sigma,
    }),
  }));
}

/**
 * The inputs with the scripted judges at `addresses` (by label, `host:port`) among the others: they take over address and
 * model, need no key, and keep the other settings of the judge that they stand in for.
 */
export function withScriptedJudges(inputs: FleetInputs, addresses: ReadonlyMap<string, string>): FleetInputs {
  const { recipe, paths } = inputs;
  const names = Object.keys(recipe.fleet.scripted_judges);
  if (names.length === 0) return inputs;
  const scripted = names.map((name) => {
    const { api_key_env: _env, api_key_file: _file, ...settings } = recipe.judges?.[name] ?? {};
    return [
      name,
      { ...settings, base_url: `http://${addresses.get(labelOf(name)) ?? ''}/v1`, model: 'scripted' },
    ] as const;
  });
  const keys = Object.entries(paths.judge_keys ?? {}).filter(([name]) => !names.includes(name));
  return {
    recipe: { ...recipe, judges: { ...recipe.judges, ...judgesSchema.parse(Object.fromEntries(scripted)) } },
    paths: { ...paths, judge_keys: Object.fromEntries(keys) },
  };
}
