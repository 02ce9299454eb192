import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { subjects, streams } from '#platform/nats/streams.ts';

import { idOf, publishTask, publishTasks, startNats, tasksLeft, testRun } from './fixtures.ts';
import { until } from '../until.ts';

/** A worker process that is started again whenever it dies, as a supervisor does. */
function superviseWorker(url: string) {
  const stop = new AbortController();
  let deaths = 0;
  let child: ReturnType<typeof spawn> | undefined;
  const program = join(import.meta.dirname, 'poison-worker.ts');
  const supervising = (async () => {
    while (!stop.signal.aborted) {
      child = spawn('node', [program, url, testRun], { stdio: 'ignore' });
      const [, signal] = await once(child, 'exit');
      if (!stop.signal.aborted && signal === 'SIGKILL') deaths += 1;
    }
  })();
  onTestFinished(async () => {
    stop.abort();
    child?.kill('SIGKILL');
    await supervising;
  });
  return { deaths: () => deaths };
}

test('P1: a task that kills each worker that begins it ends in the dead letters, and none of those that ran with it does', async () => {
  const { nats, url } = await startNats();
  const ids = await publishTasks(nats, 40);
  await publishTask(nats, 'poison');
  const more = Array.from({ length: 20 }, (_, index) => `more-${index}`);
  await Promise.all(more.map((id) => publishTask(nats, id)));
  const worker = superviseWorker(url);

  await until(async () => (await tasksLeft(nats)) === 0, 'the queue is empty', 250_000);
  // Twice before it is quarantined, once with few others, twice alone.
  expect(worker.deaths()).toBe(5);
  const { messages } = (await nats.jsm.streams.info(streams.deadLetters)).state;
  expect(messages).toBe(1);
  const letter = await nats.jsm.direct.getMessage(streams.deadLetters, { last_by_subj: subjects.deadLetter(testRun) });
  if (letter === null) throw new Error('no dead letter');
  expect(idOf(letter)).toBe('poison');
  expect(letter.header.get('Gradus-Reason')).toMatch(/^\d+ workers died while they held it/);
  expect((await nats.jsm.streams.info(streams.results)).state.messages).toBe(ids.length + more.length);
});
