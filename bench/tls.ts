/**
 * What certificates cost: `gradus bench rollouts` with plain connections and with mutual TLS between all services and to NATS, in turns, on
 * one machine within one run. One JSON array of medians with the range of each; processor time is disturbed least by what else runs there.
 *
 *   npx node bench/tls.ts [ROUNDS [ROLLOUTS]]
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { machineFacts } from '#platform/runtime/machine-facts.ts';

const run = promisify(execFile);
const gradus = join(import.meta.dirname, '../services/cli/bin/gradus');
const settings = ['plain', 'mutual TLS'] as const;
type Setting = (typeof settings)[number];
const reportSchema = z.looseObject({
  rollouts_per_second: z.number(),
  cpu_ms_per_rollout: z.number(),
  lost: z.literal(0),
});

function wholeArgument(at: number, name: string, byDefault: number): number {
  const value = Number(process.argv[at] ?? byDefault);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${name} is '${process.argv[at]}'; it must be a whole number of at least 1`);
  return value;
}

const rounds = wholeArgument(2, 'ROUNDS', 3);
const rollouts = wholeArgument(3, 'ROLLOUTS', 1500);
const args = ['--rollouts', String(rollouts), '--warm-up', String(Math.ceil(rollouts / 5))];

const place = await mkdtemp(join(tmpdir(), 'gradus-bench-'));
const credentials = join(place, 'credentials');
const measured: Record<Setting, { rolloutsPerSecond: number; cpuMsPerRollout: number }[]> = {
  plain: [],
  'mutual TLS': [],
};
try {
  await run(gradus, ['credentials', 'init', credentials]);
  for (let round = 1; round <= rounds; round++)
    // The other one first in every second round: what came before warms files and caches.
    for (const setting of round % 2 === 1 ? settings : settings.toReversed()) {
      const secured = setting === 'plain' ? [] : ['--credentials', credentials];
      const { stdout } = await run(gradus, ['bench', 'rollouts', '--home', place, '--json', ...args, ...secured]);
      const report = reportSchema.parse(JSON.parse(stdout));
      const result = {
        rolloutsPerSecond: report.rollouts_per_second,
        cpuMsPerRollout: report.cpu_ms_per_rollout,
      };
      measured[setting].push(result);
      process.stderr.write(`round ${round}, ${setting}: ${JSON.stringify(result)}\n`);
    }
} finally {
  await rm(place, { recursive: true, force: true, maxRetries: 3 });
}

function spread(values: readonly number[]) {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)], least: sorted[0], most: sorted.at(-1) };
}

const figures = settings.map((setting) => ({
  setting,
  rolloutsPerSecond: spread(measured[setting].map((each) => each.rolloutsPerSecond)),
  cpuMsPerRollout: spread(measured[setting].map((each) => each.cpuMsPerRollout)),
}));
process.stdout.write(
  `${JSON.stringify({ bench: 'tls', machine: machineFacts(), rounds, rollouts, figures }, undefined, 2)}\n`,
);
