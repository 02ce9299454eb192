/**
 * What traces cost: `gradus bench rollouts` without them, with a twentieth of them, and with all, in turns. One JSON array of medians.
 *
 *   npx node bench/tracing.ts [ROUNDS]
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { startOtlpCollector } from '../tests/fixtures/otlp-collector.ts';

const run = promisify(execFile);
const gradus = join(import.meta.dirname, '../services/cli/bin/gradus');
const rollouts = 1500;
const args = ['--rollouts', String(rollouts), '--warm-up', '300'];
const ratios = { off: undefined, twentieth: 0.05, all: 1 } as const;
type Setting = keyof typeof ratios;
const settings = Object.keys(ratios) as readonly Setting[];
const reportSchema = z.looseObject({ rollouts_per_second: z.number(), cpu_ms_per_rollout: z.number() });

const rounds = Number(process.argv[2] ?? 3);
if (!Number.isSafeInteger(rounds) || rounds < 1)
  throw new Error(`ROUNDS is '${process.argv[2]}'; it must be a whole number of at least 1`);

async function measure(setting: Setting) {
  using collector = await startOtlpCollector();
  const home = await mkdtemp(join(tmpdir(), 'gradus-bench-'));
  const ratio = ratios[setting];
  const { GRADUS_OTLP_ENDPOINT: _none, ...environment } = process.env;
  const env =
    ratio === undefined
      ? environment
      : { ...environment, GRADUS_OTLP_ENDPOINT: collector.url, GRADUS_OTLP_RATIO: String(ratio) };
  try {
    const { stdout } = await run(gradus, ['bench', 'rollouts', '--home', home, '--json', ...args], { env });
    const report = reportSchema.parse(JSON.parse(stdout));
    // The rollouts of the warm-up have theirs too.
    const played = collector.spans.filter(({ name }) => name === 'gradus.rollout').length;
    return {
      rolloutsPerSecond: report.rollouts_per_second,
      cpuMsPerRollout: report.cpu_ms_per_rollout,
      spans: collector.spans.length,
      played,
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

type Measured = Awaited<ReturnType<typeof measure>>;
const measured: Record<Setting, Measured[]> = { off: [], twentieth: [], all: [] };
for (let round = 1; round <= rounds; round++)
  for (const setting of settings) {
    const result = await measure(setting);
    measured[setting].push(result);
    process.stderr.write(`round ${round}, ${setting}: ${JSON.stringify(result)}\n`);
  }

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

const medians = settings.map((setting) => ({
  setting,
  rounds,
  rolloutsPerSecond: median(measured[setting].map((each) => each.rolloutsPerSecond)),
  cpuMsPerRollout: median(measured[setting].map((each) => each.cpuMsPerRollout)),
  tracedRollouts: median(measured[setting].map((each) => each.played)),
  spansPerTracedRollout: median(
    measured[setting].map(({ spans, played }) => (played === 0 ? 0 : Number((spans / played).toFixed(1)))),
  ),
}));
process.stdout.write(`${JSON.stringify(medians, undefined, 2)}\n`);
