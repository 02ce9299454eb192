/** Sends damaged requests of all dialects to the agents' endpoint: `node scripts/fuzz-agents.ts [COUNT [SEED]]`. Fails where one is neither answered nor refused. */
import { fuzzFace } from '#environments/agent/face/fuzz/fuzz-face.ts';

const [count = '100000', seed = '1'] = process.argv.slice(2);
const startedMs = performance.now();
const { outcomes, problems, slowestMs } = await fuzzFace(Number(count), Number(seed));
const seconds = (performance.now() - startedMs) / 1_000;
for (const [outcome, times] of [...outcomes].toSorted(([, one], [, other]) => other - one))
  console.log(`${String(times).padStart(8)}  ${outcome}`);
console.log(
  `${count} requests in ${seconds.toFixed(1)} s, the slowest ${slowestMs.toFixed(0)} ms, ${problems.length} problems`,
);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
