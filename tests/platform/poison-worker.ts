/** A worker in a process of its own, for tests that kill it. Dies at once, with all it holds, when it begins the task `poison`. */
import { pino } from 'pino';

import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { connectNats } from '#platform/nats/connect.ts';
import { decodeMessage, pullTasks } from '#platform/nats/messages.ts';
import { publishBytes } from '#platform/nats/publish.ts';
import { subjects } from '#platform/nats/streams.ts';

const [url = '', run = '', maxInFlight = '64'] = process.argv.slice(2);
const { signal } = new AbortController();
const nats = await connectNats({ url, name: 'poison worker', log: pino({ level: 'silent' }), signal });
console.log('up');

for await (const task of pullTasks(nats, { signal, maxInFlight: Number(maxInFlight) })) {
  const { taskId } = decodeMessage(RolloutTaskSchema, task.data);
  if (taskId === 'poison') process.kill(process.pid, 'SIGKILL');
  // Long enough to be held by a worker that dies.
  void sleep(300)
    .then(() => publishBytes(nats, subjects.result(run), task.data, { messageId: taskId }, 'a result'))
    .then(() => task.ack());
}
