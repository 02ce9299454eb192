/** One engine in a process of its own, so that its memory can be reported. Arguments: name, file with an EngineQuestion. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { peakResidentMiBOf, residentMiBOf } from '../process-facts.ts';
import { measureRate } from '../rate.ts';
import type { Engine, EngineQuestion, EngineReport, EngineRow } from './engine.ts';
import { openGradus } from './gradus.ts';
import { openLancedb } from './lancedb.ts';
import { openOrama } from './orama.ts';

interface Known {
  readonly open: (question: EngineQuestion) => Promise<Engine>;
  readonly packageName: string | undefined;
  /** More than one where the engine has threads of its own. */
  readonly callers: readonly number[];
}

const engines: Readonly<Record<string, Known>> = {
  gradus: { open: openGradus, packageName: undefined, callers: [1] },
  orama: { open: openOrama, packageName: '@orama/orama', callers: [1] },
  lancedb: { open: openLancedb, packageName: '@lancedb/lancedb', callers: [1, 16] },
};

const [name, path] = z.tuple([z.string(), z.string()]).parse(process.argv.slice(2));
const known = engines[name];
if (known === undefined) throw new Error(`no engine ${name}; there are: ${Object.keys(engines).join(', ')}`);
const question = z
  .object({ corpus: z.string(), questions: z.array(z.string()), topK: z.int(), seconds: z.number() })
  .parse(JSON.parse(readFileSync(path, 'utf8')));
const { questions, seconds } = question;

const started = performance.now();
const engine = await known.open(question);
await engine.search(questions[0] ?? '');
const readyMs = Math.round(performance.now() - started);
const found: (readonly string[])[] = [];
for (const query of questions) found.push(await engine.search(query));
const rows: EngineRow[] = [];
for (const callers of known.callers) {
  rows.push({ callers, ...(await measureRate(questions, seconds, callers, (query) => engine.search(query))) });
}
const report: EngineReport = {
  engine: name,
  version: known.packageName === undefined ? '' : versionOf(known.packageName),
  readyMs,
  residentMiB: Math.round(residentMiBOf([process.pid])),
  peakResidentMiB: Math.round(peakResidentMiBOf(process.pid)),
  rows,
  found,
};
await engine.close();
process.stdout.write(`${JSON.stringify(report)}\n`);

function versionOf(packageName: string): string {
  const url = new URL(`../../../package.json`, import.meta.url);
  const declared = z.record(z.string(), z.string());
  const { dependencies, devDependencies } = z
    .object({ dependencies: declared, devDependencies: declared })
    .parse(JSON.parse(readFileSync(url, 'utf8')));
  return dependencies[packageName] ?? devDependencies[packageName] ?? '';
}
