import { errorFrom } from '#platform/errors.ts';
import type { Recipe } from '#recipe/schema.ts';
import { passTokens, planMemory, sum } from './memory-plan.ts';
import type { DeviceMemory, MemoryPlan, ServiceMemory } from './memory-plan.ts';

/** What each device needs, by part, and the fullest GPU by how many there are. */
export function formatMemory({ parameters, ranks, frozen, devices, gpuCounts }: MemoryPlan): string[] {
  return [
    `memory for ${parameters.toLocaleString('en-US')} parameters${frozen ? ', frozen next to adapters that are trained' : ' in float32'}:`,
    ...alike(devices).flatMap(({ names, services }) =>
      services.map((each) => {
        const grows = sum(each.bounds) === 0 ? '' : `; up to ${arithmetic(each.bounds)} more`;
        return `  ${names}: ${named(each)} ${arithmetic(each.parts)}${grows}`;
      }),
    ),
    ...(gpuCounts.length === 0
      ? []
      : [
          `  the fullest GPU: ${gpuCounts.map(({ gpus, bytes }) => `${gib(bytes)} of ${gpus}`).join(', ')} (GiB; the learner on the first${ranks === 1 ? '' : ` ${ranks}`}, engines on the others)`,
        ]),
  ];
}

/** As `planMemory`, with what does not fit; a config.json that is none is reported by another check. */
export async function memoryOf(
  recipe: Recipe,
  model: string,
): Promise<{ readonly plan: MemoryPlan | undefined; readonly notes: string[]; readonly problems: string[] }> {
  try {
    const plan = await planMemory(recipe, model);
    if (plan === undefined) return { plan, notes: [], problems: [] };
    return { plan, notes: memoryNotes(recipe, plan), problems: memoryProblems(recipe, plan) };
  } catch (thrown) {
    const { stderr } = Object(thrown) as { readonly stderr?: string };
    const why = (typeof stderr === 'string' && stderr.trim()) || errorFrom(thrown).message;
    return { plan: undefined, notes: [`memory is not counted: ${why}`], problems: [] };
  }
}

/** Devices whose parts are more than there is. */
function memoryProblems(recipe: Recipe, { devices }: MemoryPlan): string[] {
  return devices.flatMap((memory) => {
    const { device, sizeBytes, services } = memory;
    const needed = services.reduce((total, each) => total + each.count * sum(each.parts), 0);
    if (sizeBytes === undefined || needed <= sizeBytes) return [];
    const parts = services.map((each) => `${named(each)} ${arithmetic(each.parts)}`).join(' and ');
    return [
      `fleet: ${device} needs ${gib(needed)} GiB: ${parts}; it has ${gib(sizeBytes)} GiB; ${fix(recipe, memory, needed - sizeBytes)}`,
    ];
  });
}

/** What may not fit, or cannot be known. */
function memoryNotes({ fleet }: Recipe, { devices }: MemoryPlan): string[] {
  const unknown = devices.filter(({ sizeBytes }) => sizeBytes === undefined).map(({ device }) => device);
  return [
    ...(unknown.length === 0
      ? []
      : [`the memory of ${unknown.join(', ')} is not known; state fleet.gpu_memory_gib to have it checked`]),
    ...alike(devices).flatMap(({ names, sizeBytes, services }) => {
      const engine = services.find(({ name }) => name === 'engine');
      if (sizeBytes === undefined || engine === undefined) return [];
      const most = services.reduce((total, each) => total + each.count * (sum(each.parts) + sum(each.bounds)), 0);
      if (most <= sizeBytes) return [];
      const tokens =
        fleet.engine.kv_tokens > 0 ? fleet.engine.kv_tokens : fleet.engine.max_running * fleet.engine.max_context;
      return [
        `${names} has ${gib(sizeBytes)} GiB, and ${tokens.toLocaleString('en-US')} tokens of running requests next to fleet.engine.cache_mebibytes may take ${gib(most)}: lower fleet.engine.kv_tokens or cache_mebibytes`,
      ];
    }),
  ];
}

/** Devices that have the same to hold, in one line. */
function alike(devices: readonly DeviceMemory[]): (Omit<DeviceMemory, 'device'> & { readonly names: string })[] {
  const found = new Map<string, DeviceMemory[]>();
  for (const memory of devices) {
    const key = JSON.stringify(memory.services);
    found.set(key, [...(found.get(key) ?? []), memory]);
  }
  return [...found.values()].flatMap((same) => {
    const [first] = same;
    return first === undefined ? [] : [{ ...first, names: same.map(({ device }) => device).join(', ') }];
  });
}

/** The tokens of a pass that would fit, where they are what is too much. */
function fix(recipe: Recipe, { services }: DeviceMemory, missing: number): string {
  const learner = services.find(({ name }) => name === 'learner');
  const activations = learner?.parts['activations'] ?? 0;
  const tokens = passTokens(recipe);
  const fitting = Math.floor(tokens * (1 - missing / activations));
  const longest = Math.max(0, ...recipe.stages.map((stage) => ('limits' in stage ? stage.limits.context_tokens : 0)));
  if (activations <= missing || fitting < 64)
    return services.length > 1 || services.some(({ count }) => count > 1)
      ? 'place learner and engines on devices of their own, or take a smaller model'
      : 'take a smaller model or a larger device';
  return fitting >= longest
    ? `lower fleet.learner.micro_batch_tokens to ${fitting} or less`
    : `a pass may have ${fitting} tokens at most: lower fleet.learner.micro_batch_tokens and the context_tokens of stages`;
}

const named = ({ name, count }: ServiceMemory): string =>
  count === 1 ? name : `${count} ${name === 'engine' ? 'engines' : 'ranks of the learner'}, each`;

function arithmetic(parts: Readonly<Record<string, number>>): string {
  const used = Object.entries(parts).filter(([, bytes]) => bytes > 0);
  const shown = used.map(([part, bytes]) => `${part.replaceAll('_', ' ')} ${gib(bytes)}`);
  return used.length === 1 ? `${shown[0]} GiB` : `${gib(sum(parts))} GiB = ${shown.join(' + ')}`;
}

/** Three digits, also of small models. */
function gib(bytes: number): string {
  const value = bytes / 2 ** 30;
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : `${Number(value.toPrecision(3))}`;
}
