import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { View, parse } from 'vega';
import { compile } from 'vega-lite';
import type { TopLevelSpec } from 'vega-lite';
import { runFileNames } from '#run/directory/places.ts';
import type { RunSummary } from '#run/directory/run-summary.ts';
import { heldOutSpec } from './held-out.ts';
import { stepsSpec, type StepMetrics } from './steps.ts';

/** Writes <directory>/curves/*.svg, the steps of each stage and the held-out rows over all of them, and gives their paths. */
export async function writeCurves(summary: RunSummary, runDirectory: string): Promise<string[]> {
  const directory = join(runDirectory, 'curves');
  const lines = await readSteps(join(runDirectory, runFileNames.metrics));
  const specs = [
    ...summary.stages.map((stage, index) => ({
      name: `${index + 1}-${stage.name}`,
      spec: stepsSpec(
        stage,
        lines.filter((line) => line['stage'] === stage.name && line['round'] === stage.round),
      ),
    })),
    { name: 'held-out', spec: heldOutSpec(summary) },
  ];
  await mkdir(directory, { recursive: true });
  const written: string[] = [];
  for (const { name, spec } of specs) {
    if (spec === undefined) continue;
    const path = join(directory, `${name}.svg`);
    await writeFile(path, `${await renderSvg(spec)}\n`);
    written.push(path);
  }
  return written;
}

/** The lines of committed steps; none where nothing was measured yet. */
async function readSteps(path: string): Promise<StepMetrics[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): StepMetrics => JSON.parse(line))
    .filter(({ kind }) => kind === 'step');
}

async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
