/**
 * The load generator: a process of its own, so that its work does not delay the service's. Reads a plan from the file
 * named first, prints a report as JSON.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { cpuSecondsOf, machineCpuSeconds, processTree, residentMiBOf, stolenCpuSeconds } from '../process-facts.ts';
import { createJudge, rankingFromGrpc, rankingFromHttp } from './answers.ts';
import { encodeCall, openConnection } from './open-connection.ts';
import { generatorPlan, type GeneratorReport } from './generator-plan.ts';
import { runLoad } from './run-load.ts';

/** Calls that share an HTTP/2 connection: what many servers allow. */
const streamsPerConnection = 100;

const plan = generatorPlan.parse(JSON.parse(readFileSync(z.string().parse(process.argv[2]), 'utf8')));
const connections = Array.from(
  { length: plan.protocol === 'http' ? plan.clients : Math.ceil(plan.clients / streamsPerConnection) },
  () => openConnection(plan.protocol, plan.address),
);
const server = processTree(plan.serverPid);
const usage = () => ({
  server: cpuSecondsOf(server),
  client: cpuSecondsOf([process.pid]),
  machine: machineCpuSeconds(),
  stolen: stolenCpuSeconds(),
});
let before = usage();
let after = before;

const load = await runLoad(plan, {
  connections,
  connectionOf(client) {
    const connection = connections[client % connections.length];
    if (connection === undefined) throw new RangeError(`no connection for client ${client}`);
    return connection;
  },
  requests: plan.calls.map(({ query }) => encodeCall(plan, query)),
  judge: createJudge(
    plan.calls.map(({ ranking }) => ranking),
    plan.protocol === 'http' ? rankingFromHttp : rankingFromGrpc,
    plan.tolerance,
  ),
  onMeasure(phase) {
    if (phase === 'begin') before = usage();
    else after = usage();
  },
});
for (const connection of connections) connection.close();

const used = (of: keyof typeof before): number => Math.round((after[of] - before[of]) * 100) / 100;
const report: GeneratorReport = {
  ...load,
  connections: connections.length,
  cpuSeconds: {
    server: used('server'),
    client: used('client'),
    others: Math.max(0, Math.round((used('machine') - used('server') - used('client')) * 100) / 100),
    stolen: used('stolen'),
  },
  serverResidentMiB: Math.round(residentMiBOf(server)),
};
process.stdout.write(`${JSON.stringify(report)}\n`);
