/**
 * The figures of docs/results/rollouts.md: `gradus bench rollouts` in each of its settings, one JSON array.
 *
 *   npx node bench/rollouts.ts [SETTING ...]
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const gradus = join(import.meta.dirname, '../services/cli/bin/gradus');

const latency = '--concurrency 16 --latency-median-ms 5000 --latency-sigma 0.5';
const settings: Readonly<Record<string, { readonly args: string }>> = {
  throughput: { args: '--rollouts 3000' },
  'overhead of a turn': { args: '--rollouts 400 --warm-up 100 --concurrency 4' },
  'one worker': { args: `--rollouts 64 --warm-up 16 --workers 1 ${latency}` },
  'eight workers': { args: `--rollouts 512 --warm-up 128 --workers 8 ${latency}` },
  'two thousand in flight': {
    args: '--rollouts 2600 --warm-up 0 --concurrency 2000 --engines 4 --latency-median-ms 10000 --latency-sigma 0.3',
  },
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => settings[name] === undefined);
if (unknown.length > 0)
  throw new Error(`no setting ${unknown.join(', ')}; there are: ${Object.keys(settings).join(', ')}`);

const home = await mkdtemp(join(tmpdir(), 'gradus-bench-'));
try {
  const reports: unknown[] = [];
  for (const [name, { args }] of Object.entries(settings)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    process.stderr.write(`${name}: gradus bench rollouts ${args}\n`);
    const { stdout } = await run(gradus, ['bench', 'rollouts', '--home', home, '--json', ...args.split(' ')]);
    const report: unknown = JSON.parse(stdout);
    reports.push({ name, report });
  }
  process.stdout.write(`${JSON.stringify(reports, undefined, 2)}\n`);
} finally {
  await rm(home, { recursive: true, force: true });
}
