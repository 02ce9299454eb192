/**
 * What agents' calls cost: many sessions at once, five calls each, over bare HTTP. Three systems stand between the agents and a model that says
 * how long it took, one after the other: nothing; a proxy of aiohttp that only forwards; and Gradus, with a real worker, gateway and reward
 * service, where each session is a rollout of the environment `agent`. JSON on stdout.
 *
 *     npx node bench/agents.ts [--sessions 1000] [--turns 5] [--delay 10000..30000] [--rounds 1] [direct proxy gradus]
 *
 * `make bench-agents` installs aiohttp in .build/bench-agents first; without it the proxy is left out.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { createUsageSampler, type SampledProcess } from '../services/cli/bench/process-usage.ts';
import { quantiles, type Quantiles } from '../services/cli/bench/tally.ts';
import { parseRange } from './agents/delays.ts';
import { createCalls, playSession, type Calls } from './agents/play-session.ts';
import { startGradusFace } from './agents/gradus-face.ts';
import { startServer } from './retrieval/start-server.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sessions: { type: 'string', default: '1000' },
    turns: { type: 'string', default: '5' },
    delay: { type: 'string', default: '10000..30000' },
    rounds: { type: 'string', default: '1' },
  },
});
const sessions = Number(values.sessions);
const here = join(import.meta.dirname, 'agents');
const python = join(import.meta.dirname, '../.build/bench-agents/bin/python');
const { turns, delay } = values;

/** What stands between agents and the model. */
interface System {
  readonly processes: readonly { readonly label: string; readonly pid: number }[];
  /** Plays all sessions at once. */
  play(calls: Calls): Promise<void>;
}

interface Row {
  readonly system: string;
  readonly calls: number;
  readonly errors: readonly string[];
  /** Time of a call beyond what the model took. */
  readonly overheadMs: Quantiles;
  readonly seconds: number;
  readonly callsPerSecond: number;
  readonly cpuMsPerCall: Readonly<Record<string, number>>;
  readonly processes: readonly SampledProcess[];
}

async function measure(name: string, { processes, play }: System): Promise<Row> {
  const calls = createCalls();
  const sampler = createUsageSampler([...processes, { label: 'agents', pid: process.pid }]);
  const timer = setInterval(sampler.sample, 250);
  const started = performance.now();
  await play(calls);
  clearInterval(timer);
  const seconds = (performance.now() - started) / 1000;
  const used = sampler.result();
  const count = calls.overheadsMs.length;
  const round = (value: number): number => Number(value.toFixed(3));
  const row = {
    system: name,
    calls: count,
    errors: calls.errors,
    overheadMs: quantiles(calls.overheadsMs),
    seconds: round(seconds),
    callsPerSecond: round(count / seconds),
    cpuMsPerCall: Object.fromEntries(used.map(({ label, cpuSeconds }) => [label, round((1000 * cpuSeconds) / count)])),
    processes: used,
  };
  process.stderr.write(`${JSON.stringify({ ...row, errors: row.errors.length, processes: undefined })}\n`);
  return row;
}

async function playAt(url: string, calls: Calls): Promise<void> {
  const all = Array.from({ length: sessions }, async (_, index) => {
    // Not all in the same moment.
    await sleep((parseRange(delay).least * index) / sessions);
    await playSession(`${url}/sessions/${index}/v1`, '', calls);
  });
  await Promise.all(all);
}

const systems: Readonly<Record<string, () => Promise<Row>>> = {
  async direct() {
    await using model = await startServer(process.execPath, [join(here, 'upstream-process.ts'), turns, delay]);
    const processes = [{ label: 'model', pid: model.pid }];
    return await measure('direct', { processes, play: (calls) => playAt(model.addresses['http'] ?? '', calls) });
  },
  async proxy() {
    await using model = await startServer(process.execPath, [join(here, 'upstream-process.ts'), turns, delay]);
    await using proxy = await startServer(python, [join(here, 'proxy.py'), model.addresses['http'] ?? '']);
    const processes = [
      { label: 'proxy', pid: proxy.pid },
      { label: 'model', pid: model.pid },
    ];
    return await measure('proxy', { processes, play: (calls) => playAt(proxy.addresses['http'] ?? '', calls) });
  },
  async gradus() {
    await using gradus = await startGradusFace({ sessions, turns, delay });
    return await measure('gradus', gradus);
  },
};

const installed = existsSync(python);
if (!installed) process.stderr.write('the proxy is left out: make bench-agents installs it\n');
const all = Object.keys(systems).filter((name) => name !== 'proxy' || installed);
const wanted = positionals.length === 0 ? all : positionals;
const rows: Row[] = [];
for (let round = 0; round < Number(values.rounds); round += 1) {
  for (const name of wanted) {
    const run = systems[name];
    if (run === undefined) throw new Error(`'${name}' is no system; there are ${Object.keys(systems).join(', ')}`);
    rows.push(await run());
  }
}
process.stdout.write(
  `${JSON.stringify({ bench: 'agents', machine: machineFacts(), settings: values, rows }, undefined, 2)}\n`,
);
