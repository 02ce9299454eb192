/**
 * Which engine gets a turn: least loaded with the session's own engine first, as the gateway chooses, next to least loaded alone, round robin and random.
 * Two engines with `policies/nano`; sessions of several turns whose prompts grow and begin alike. Prints one JSON object.
 *
 *   npx node bench/routing.ts [--engine builtin|vllm] [--sessions 24] [--turns 6] [--rounds 3] [--cache-mebibytes 512]
 *
 * `vllm` needs .build/vllm. Rounds alternate between the ways, so that a machine that is busy with other things is busy for all of them; every way plays
 * the same sessions, under ids and with tokens of its own, so that none finds what another has cached.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { pythonPath, repositoryRoot } from '#platform/repository.ts';
import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { cpuSecondsOf, processTree } from './retrieval/process-facts.ts';
import { type RunningServer, startServer } from './retrieval/start-server.ts';
import { playSessions } from './routing/play-sessions.ts';
import { summarise } from './routing/summarise.ts';
import { ways } from './routing/ways.ts';

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'builtin' },
    sessions: { type: 'string', default: '24' },
    turns: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '3' },
    'cache-mebibytes': { type: 'string', default: '512' },
  },
});
const engine = z.enum(['builtin', 'vllm']).parse(values.engine);
const count = z.coerce.number().int().min(1);
const load = { sessions: count.parse(values.sessions), turns: count.parse(values.turns) };
const rounds = count.parse(values.rounds);
const model = join(repositoryRoot, 'policies/nano');

process.env['PYTHONPATH'] = pythonPath;
process.env['OMP_NUM_THREADS'] = '1';
const common = ['--model', model, '--max-context', '1024', '--threads', '1', '--grpc', '127.0.0.1:0'];

/** Program and arguments of an engine. */
const programs = {
  builtin: [
    join(repositoryRoot, '.venv/bin/python'),
    ['-m', 'gradus_learner.engine', '--cache-mebibytes', values['cache-mebibytes'], ...common],
  ],
  vllm: [process.execPath, [join(repositoryRoot, 'services/engine-sidecar/main.ts'), '--kind', 'vllm', ...common]],
} as const;

function startEngine(): Promise<RunningServer> {
  const [command, args] = programs[engine];
  return startServer(command, args);
}

await using running = new AsyncDisposableStack();
const engines = [running.use(await startEngine()), running.use(await startEngine())];
const addresses = engines.map(({ addresses: { grpc = '' } }) => grpc);

const engineCpuSeconds = (): number => cpuSecondsOf(engines.flatMap(({ pid }) => processTree(pid)));

const played = [];
for (let round = 0; round <= rounds; round += 1) {
  for (const [name, createWay] of Object.entries(ways)) {
    const tokens = `${name} ${round}`;
    const before = engineCpuSeconds();
    const result = await playSessions({ addresses, model, choose: createWay(tokens), tokens, round, ...load });
    // The first round warms up what runs code for the first time.
    if (round > 0) played.push({ name, result, cpuSeconds: engineCpuSeconds() - before });
    process.stderr.write(`round ${round} of ${rounds}, ${name}: ${Math.round(result.wallMs)} ms\n`);
  }
}
const report = { engine, engines: engines.length, ...load, rounds, ways: summarise(played), machine: machineFacts() };
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
