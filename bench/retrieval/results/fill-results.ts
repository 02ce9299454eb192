/**
 * Puts tables into docs/results/retrieval-load.md, between the marks of their parts.
 *
 *     npx node bench/retrieval/results/fill-results.ts JSON [...]
 *
 * Each file holds what `bench/retrieval.ts` printed. Several reports of one part stand one after the other.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { report, type Report } from './report.ts';
import { tablesOf } from './tables.ts';

const page = join(import.meta.dirname, '../../../docs/results/retrieval-load.md');

const reports = process.argv
  .slice(2)
  .flatMap((path) =>
    z.union([z.array(report), report.transform((one) => [one])]).parse(JSON.parse(readFileSync(path, 'utf8'))),
  );
const markOf = (one: Report): string => (one.part === 'dense' ? `dense ${one.models}` : one.part);
const byMark = Map.groupBy(reports, markOf);
let text = readFileSync(page, 'utf8');
for (const [mark, some] of byMark) {
  const pattern = new RegExp(`(<!-- ${mark} -->\n)[^]*?(<!-- end -->)`);
  if (!pattern.test(text)) throw new Error(`${page} has no place for ${mark}`);
  const tables = some.map(tablesOf).join('\n\n');
  text = text.replace(pattern, (_all, begin: string, end: string) => `${begin}\n${tables}\n\n${end}`);
}
const [first] = reports;
if (first !== undefined) {
  const { cpu, cores, memoryGiB, node, at } = first.machine;
  const machine = `${cores} cores (${cpu}), ${memoryGiB} GiB, Node ${node}, ${at.slice(0, 10)}`;
  text = text.replace(
    /(<!-- machine -->\n)[^]*?(<!-- end -->)/,
    (_all, begin: string, end: string) => `${begin}\n${machine}\n\n${end}`,
  );
}
writeFileSync(page, text);
