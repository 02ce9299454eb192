import { expect, test } from 'vitest';
import { streams, subjects } from '#platform/nats/streams.ts';
import { startNats } from '../platform/fixtures.ts';
import { until } from '../until.ts';

const rounds = 4;
const writers = 16;

test('P1: whatever NATS has confirmed is there after its SIGKILL, once, however often it is killed', async () => {
  const server = await startNats();
  const { nats } = server;
  const subject = subjects.result('r1');
  const confirmed = new Set<string>();
  const stop = new AbortController();

  async function write(writer: number): Promise<void> {
    for (let number = 0; !stop.signal.aborted; number += 1) {
      const msgID = `${writer}:${number}`;
      // As `publishMessage` does: again with the same id until it is confirmed.
      while (!stop.signal.aborted && !confirmed.has(msgID)) {
        try {
          await nats.js.publish(subject, msgID, { msgID, timeout: 1_000 });
          confirmed.add(msgID);
        } catch {
          await nats.link.whenUp(stop.signal).catch(() => undefined);
        }
      }
    }
  }

  const writing = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  for (let round = 0; round < rounds; round += 1) {
    const goal = confirmed.size + 400;
    await until(() => confirmed.size >= goal, 'messages are confirmed');
    await server.kill();
    await server.restart();
  }
  const goal = confirmed.size + 100;
  await until(() => confirmed.size >= goal, 'messages are confirmed after the last restart');
  stop.abort();
  await writing;

  const stored: string[] = [];
  for (let seq = 1; ;) {
    const message = await nats.jsm.direct.getMessage(streams.results, { seq, next_by_subj: subject });
    if (message === null) break;
    stored.push(message.string());
    seq = message.seq + 1;
  }
  expect(stored.length).toBe(new Set(stored).size);
  const there = new Set(stored);
  const lost = [...confirmed].filter((id) => !there.has(id));
  expect(lost).toEqual([]);
});
