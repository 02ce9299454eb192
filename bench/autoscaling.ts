/**
 * Workers from none to eight and back, as KEDA would have them: rollouts arrive, an autoscaler reads the depth of the queue from a real NATS
 * every two seconds, and starts and stops real workers (in this process; a pod adds the start of its image). Three turns of half a second.
 *
 *   npx node bench/autoscaling.ts [--rollouts 256]
 *
 * Prints one JSON object: number of workers with milliseconds since the tasks were published, the last result, repeats and losses.
 */
import { parseArgs } from 'node:util';
import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { scaleAndBack } from '../tests/kubernetes/scale-and-back.ts';

const { values } = parseArgs({ options: { rollouts: { type: 'string', default: '256' } } });

const settings = {
  rollouts: Number(values.rollouts),
  concurrency: 8,
  maxReplicas: 8,
  turnMs: 500,
  intervalMs: 2_000,
  cooldownMs: 5_000,
};
const { results, taskIds, tasksLeft, deadLetters, changes, lastResultMs } = await scaleAndBack(settings);
const answered = new Set(results.map(({ taskId }) => taskId));
const firstAt = (replicas: number): number | undefined => changes.find((change) => change.replicas >= replicas)?.atMs;
const report = {
  bench: 'autoscaling',
  settings,
  firstWorkerMs: firstAt(1),
  allWorkersMs: firstAt(settings.maxReplicas),
  lastResultMs,
  noWorkerMs: changes.at(-1)?.atMs,
  changes,
  lost: taskIds.filter((id) => !answered.has(id)).length,
  twice: results.length - answered.size,
  tasksLeft,
  deadLetters,
  machine: machineFacts(),
};
console.log(JSON.stringify(report, undefined, 2));
