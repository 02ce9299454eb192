import { expect, test } from 'vitest';
import type { Logger } from '../telemetry/logging.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { createWatchdog } from './watchdog.ts';

function watched(maxWaits = 8) {
  let nowMs = 0;
  const lines: unknown[] = [];
  const metrics = createMetrics();
  const log = { warn: (fields: unknown) => lines.push(fields) } as unknown as Logger; // Only `warn` is called.
  const watchdog = createWatchdog<'call' | 'load'>({
    component: 'worker',
    whats: ['call', 'load'],
    log,
    metrics,
    maxWaits,
    now: () => nowMs,
  });
  return {
    watchdog,
    lines,
    metrics,
    after(ms: number): void {
      nowMs += ms;
      watchdog.check();
    },
  };
}

test('P3: a wait that is late is logged with component, kind, subject and age, and counted once', async () => {
  const { watchdog, lines, metrics, after } = watched();
  watchdog.begin({ what: 'call', subject: 'task-1', detail: 'turn 3', expectedMs: 100 });
  after(100);
  expect(lines).toEqual([]);
  after(1);
  after(1);
  expect(lines).toEqual([
    { component: 'worker', what: 'call', subject: 'task-1', detail: 'turn 3', expectedMs: 100, waitedMs: 101 },
  ]);
  expect(await metrics.render()).toContain('gradus_waits_overdue_total{component="worker",what="call"} 1');
  expect(await metrics.render()).toContain('gradus_waits_overdue_total{component="worker",what="load"} 0');
});

test('a wait that goes on is logged at twice, four times … its time: what hangs forever does not fill the log', async () => {
  const { watchdog, lines, metrics, after } = watched();
  watchdog.begin({ what: 'load', subject: 'v7', expectedMs: 100 });
  for (let at = 0; at < 1_000; at += 10) after(10);
  expect(lines).toMatchObject([{ waitedMs: 110 }, { waitedMs: 210 }, { waitedMs: 410 }, { waitedMs: 810 }]);
  after(10_000);
  expect(lines).toHaveLength(5);
  expect(await metrics.render()).toContain('what="load"} 1');
});

test('a wait that is over in time is forgotten and never reported', () => {
  const { watchdog, lines, after } = watched();
  const wait = watchdog.begin({ what: 'call', subject: 'a', expectedMs: 10 });
  after(5);
  wait[Symbol.dispose]();
  after(1_000);
  expect(lines).toEqual([]);
  expect(watchdog.pending(9)).toEqual([]);
});

test('pending waits come oldest first, overdue ones by how late they are', () => {
  const { watchdog, after } = watched();
  watchdog.begin({ what: 'load', subject: 'old', expectedMs: 500 });
  after(100);
  watchdog.begin({ what: 'call', subject: 'young', expectedMs: 10 });
  after(450);
  expect(watchdog.pending(9).map(({ subject, waitedMs }) => [subject, waitedMs])).toEqual([
    ['old', 550],
    ['young', 450],
  ]);
  expect(watchdog.pending(1)).toHaveLength(1);
  expect(watchdog.overdue(9).map(({ subject }) => subject)).toEqual(['young', 'old']);
  expect(watchdog.overdue(1)).toHaveLength(1);
});

test('P6: more waits than there is room for are counted and not watched', async () => {
  const { watchdog, metrics } = watched(1);
  const first = watchdog.begin({ what: 'call', subject: 'a', expectedMs: 10 });
  const second = watchdog.begin({ what: 'call', subject: 'b', expectedMs: 10 });
  expect(await metrics.render()).toContain('gradus_waits_unwatched_total{component="worker"} 1');
  expect(watchdog.pending(9)).toHaveLength(1);
  second[Symbol.dispose]();
  expect(watchdog.pending(9)).toHaveLength(1);
  first[Symbol.dispose]();
  expect(watchdog.pending(9)).toEqual([]);
});
