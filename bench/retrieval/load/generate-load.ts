import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { GeneratorPlan, GeneratorReport } from './generator-plan.ts';

const run = promisify(execFile);

/** Runs a plan in a process of its own. */
export async function generateLoad(plan: GeneratorPlan): Promise<GeneratorReport> {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-load-'));
  try {
    const path = join(directory, 'plan.json');
    await writeFile(path, JSON.stringify(plan));
    const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'generator.ts'), path]);
    // The generator prints nothing else.
    const report: GeneratorReport = JSON.parse(stdout);
    return report;
  } finally {
    await rm(directory, { recursive: true });
  }
}
