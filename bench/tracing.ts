/**
 * What traces cost: `gradus bench rollouts` without them, without them once more, with a twentieth of them, and with all. Prints one JSON object.
 *
 *   npx node bench/tracing.ts [--rounds 5] [--rollouts 1500] [--receiver rotel|counter] [--parts spans,fleets]
 *
 * First the spans alone, made by one process without anything else, then whole fleets (`--parts`). Spans go to rotel, a collector that others wrote (`make rotel`), and from there to one of ours that counts them; `counter` leaves rotel out. The order
 * changes with each round. CPU is that of the fleet's processes and of the bench, without collectors.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { z } from 'zod';
import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { startOtlpCollector } from '../tests/fixtures/otlp-collector.ts';
import { startRotel } from '../tests/fixtures/rotel.ts';
import { cpuSecondsOf, processTree } from './retrieval/process-facts.ts';
import { type Measured, spreadOf, summarise } from './tracing/summarise.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rollouts: { type: 'string', default: '1500' },
    receiver: { type: 'string', default: 'rotel' },
    parts: { type: 'string', default: 'spans,fleets' },
  },
});
const count = z.coerce.number().int().min(1);
const rounds = count.parse(values.rounds);
const rollouts = count.parse(values.rollouts);
const parts = new Set(
  z
    .array(z.enum(['spans', 'fleets']))
    .min(1)
    .parse(values.parts.split(',')),
);
const receiver = z.enum(['rotel', 'counter']).parse(values.receiver);
const warmUp = 300;
const traces = 20_000;
const spanReportSchema = z.object({ cpuMicrosecondsPerTrace: z.number() });

const run = promisify(execFile);
const gradus = join(import.meta.dirname, '../services/cli/bin/gradus');
/** `off again` is `off`: what lies between both is noise. */
const ratios = { off: undefined, 'off again': undefined, twentieth: 0.05, all: 1 } as const;
type Setting = keyof typeof ratios;
const settings = Object.keys(ratios) as readonly Setting[];

const reportSchema = z.looseObject({
  rollouts_per_second: z.number(),
  cpu_ms_per_rollout: z.number(),
  lost: z.literal(0),
  cores_used: z.object({ others: z.number() }),
  processes: z.array(z.looseObject({ label: z.string(), cpu_seconds: z.number() })),
});

/** One after the other, in this order. */
async function inOrder<T>(
  order: readonly Setting[],
  of: (setting: Setting) => Promise<T>,
): Promise<Record<Setting, T>> {
  const results: [Setting, T][] = [];
  for (const setting of order) results.push([setting, await of(setting)]);
  // `order` has every setting once.
  return Object.fromEntries(results) as Record<Setting, T>;
}

async function measure(setting: Setting): Promise<Measured> {
  using counter = await startOtlpCollector();
  const home = await mkdtemp(join(tmpdir(), 'gradus-bench-'));
  const { GRADUS_OTLP_ENDPOINT: _none, GRADUS_OTLP_RATIO: _share, ...environment } = process.env;
  const args = ['bench', 'rollouts', '--home', home, '--json', '--rollouts', `${rollouts}`, '--warm-up', `${warmUp}`];
  async function play(env: NodeJS.ProcessEnv) {
    const { stdout } = await run(gradus, args, { env });
    return reportSchema.parse(JSON.parse(stdout));
  }
  try {
    const ratio = ratios[setting];
    let report: z.infer<typeof reportSchema>;
    let collectorCpuSeconds = 0;
    if (ratio === undefined) report = await play(environment);
    else {
      const share = { ...environment, GRADUS_OTLP_RATIO: String(ratio) };
      if (receiver === 'counter') report = await play({ ...share, GRADUS_OTLP_ENDPOINT: counter.url });
      else {
        await using rotel = await startRotel(counter.url, home);
        report = await play({ ...share, GRADUS_OTLP_ENDPOINT: rotel.url });
        collectorCpuSeconds = cpuSecondsOf(processTree(rotel.pid));
      }
    }
    const byService: Record<string, number> = {};
    for (const { label, cpu_seconds: seconds } of report.processes) {
      const service = label.replace(/-\d+$/, '');
      byService[service] = (byService[service] ?? 0) + (seconds * 1000) / rollouts;
    }
    return {
      cpuMsPerRollout: report.cpu_ms_per_rollout,
      rolloutsPerSecond: report.rollouts_per_second,
      collectorCpuMsPerRollout: (collectorCpuSeconds * 1000) / (rollouts + warmUp),
      cpuMsByService: byService,
      // The rollouts of the warm-up have theirs too.
      tracedRollouts: counter.spans.filter(({ name }) => name === 'gradus.rollout').length,
      spans: counter.spans.length,
      coresOfOthers: report.cores_used.others,
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Of the spans alone, in CPU microseconds for each rollout. */
async function measureSpans(
  setting: Setting,
): Promise<{ readonly cpuMicroseconds: number; readonly received: number }> {
  using counter = await startOtlpCollector();
  const home = await mkdtemp(join(tmpdir(), 'gradus-bench-'));
  try {
    await using rotel = receiver === 'rotel' ? await startRotel(counter.url, home) : undefined;
    const program = join(import.meta.dirname, 'tracing/span-process.ts');
    const args = [program, String(ratios[setting] ?? 'off'), rotel?.url ?? counter.url, String(traces)];
    const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', ...args]);
    const { cpuMicrosecondsPerTrace: cpuMicroseconds } = spanReportSchema.parse(JSON.parse(stdout));
    await rotel?.[Symbol.asyncDispose]();
    return { cpuMicroseconds, received: counter.spans.length };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

const spans: Record<Setting, Awaited<ReturnType<typeof measureSpans>>>[] = [];
const measured: Record<Setting, Measured>[] = [];
for (let round = 0; round < rounds; round++) {
  const from = round % settings.length;
  const order = [...settings.slice(from), ...settings.slice(0, from)];
  if (parts.has('spans')) {
    spans.push(await inOrder(order, measureSpans));
    process.stderr.write(`round ${round + 1} of ${rounds}, spans alone: ${JSON.stringify(spans.at(-1))}\n`);
  }
  if (parts.has('fleets')) {
    measured.push(await inOrder(order, measure));
    process.stderr.write(`round ${round + 1} of ${rounds}, fleets: ${JSON.stringify(measured.at(-1))}\n`);
  }
}

const report = {
  bench: 'tracing',
  machine: machineFacts(),
  receiver,
  rounds,
  ...(parts.has('spans') && {
    /** CPU microseconds of the process that makes them, for each rollout of 11 spans. */
    spansAlone: settings.map((setting) => ({
      setting,
      cpuMicrosecondsPerRollout: spans.map((round) => Number(round[setting].cpuMicroseconds.toFixed(1))),
      moreThanOff: spreadOf(spans.map((round) => round[setting].cpuMicroseconds - round.off.cpuMicroseconds)),
      received: spans.map((round) => round[setting].received),
    })),
  }),
  ...(parts.has('fleets') && { rollouts, turnsPerRollout: 3, fleets: summarise(measured, 'off') }),
};
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
