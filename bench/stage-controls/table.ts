import type { ControlRun } from './control-run.ts';

const percent = (share: number): string => (100 * share).toFixed(1);
const points = (difference: number): string => `${difference >= 0 ? '+' : ''}${percent(difference)}`;
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const chance = (p: number): string => (p < 0.001 ? p.toExponential(1) : p.toFixed(3));

/** A row of cells for each run, with what its seeds came to, below the names of the columns. Pure. */
export function controlTable(runs: readonly ControlRun[]): readonly (readonly (string | number)[])[] {
  const tags = Object.keys(runs[0]?.byTag ?? {});
  const names = [...new Set(runs.map(({ run }) => run))];
  const rows = names.map((name) => {
    const of = runs.filter(({ run }) => run === name).toSorted((a, b) => a.seed - b.seed);
    const paired = of.flatMap((run) => (run.paired === null ? [] : [run.paired]));
    return [
      name,
      of[0]?.steps.join(' + ') ?? '',
      of.map(({ seed }) => seed).join(', '),
      of.map(({ value }) => percent(value)).join(', '),
      percent(mean(of.map(({ value }) => value))),
      tags.map((tag) => percent(mean(of.map(({ byTag }) => byTag[tag] ?? 0)))).join(' / '),
      paired.map(({ difference }) => points(difference)).join(', '),
      paired.map(({ better, worse }) => `${better}:${worse}`).join(', '),
      paired.map(({ p }) => chance(p)).join(', '),
      of.map(({ rollouts }) => rollouts).join(', '),
    ];
  });
  const hops = `${tags.map((tag) => tag.split('=')[1]).join(' / ')} ${tags[0]?.split('=')[0] ?? ''}, mean`;
  const head = ['run', 'steps', 'seeds', 'all', 'mean', hops, 'points from whole', 'better:worse', 'p', 'rollouts'];
  return [head, ...rows];
}
