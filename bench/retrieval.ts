/**
 * Measurements of the retrieval service and of what it is compared with. JSON on stdout, progress on stderr.
 *
 *     npx node bench/retrieval.ts              every part, quickly
 *     npx node bench/retrieval.ts PART [...]   one part with its flags, which bench/retrieval/parts/PART.ts names
 */
import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { dense } from './retrieval/parts/dense.ts';
import { engines } from './retrieval/parts/engines.ts';
import { inProcess } from './retrieval/parts/in-process.ts';
import { load } from './retrieval/parts/load.ts';
import { servers } from './retrieval/parts/servers.ts';
import { size } from './retrieval/parts/size.ts';
import { vectors } from './retrieval/parts/vectors.ts';

const parts: Readonly<Record<string, (args: readonly string[]) => Promise<object>>> = {
  'in-process': inProcess,
  load,
  dense,
  servers,
  engines,
  vectors,
  size,
};

// Leaves by `exit`, whose handlers end the servers that were started.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const [name, ...args] = process.argv.slice(2);
if (name !== undefined && parts[name] === undefined) {
  throw new Error(`no part ${name}; there are: ${Object.keys(parts).join(', ')}`);
}
const reports: object[] = [];
for (const [part, measure] of Object.entries(parts)) {
  if (name !== undefined && part !== name) continue;
  const given = name === undefined ? ['--quick'] : args;
  const command = `npx node ${['bench/retrieval.ts', part, ...given].join(' ')}`;
  process.stderr.write(`== ${command}\n`);
  const machine = machineFacts();
  reports.push({ bench: 'retrieval', part, command, machine, ...(await measure(given)) });
}
process.stdout.write(`${JSON.stringify(name === undefined ? reports : reports[0], null, 2)}\n`);
