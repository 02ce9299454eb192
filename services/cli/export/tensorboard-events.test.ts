import { expect, test } from 'vitest';
import { pointOf } from './metrics-points.ts';
import { crc32c, tensorboardEvents } from './tensorboard-events.ts';

test('the checksum is that of RFC 3720, B.4', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e);
});

test('a file has a record for its version and one for each line', () => {
  const file = Buffer.from(tensorboardEvents([{ step: 3, atSeconds: 1.5, metrics: { loss: 0.25 } }]));
  const firstLength = Number(file.readBigUInt64LE(0));
  expect(file.subarray(12, 12 + firstLength).toString('latin1')).toContain('brain.Event:2');
  const second = file.subarray(12 + firstLength + 4);
  expect(Number(second.readBigUInt64LE(0)) + 16).toBe(second.length);
});

test('a step keeps its names, an evaluation gets eval/, and what says where a line belongs is no metric', () => {
  const step =
    '{"kind":"step","at":"2026-01-01T00:00:00.000Z","run":"a","stage":"one","stage_index":0,"step":2,"version":2,"reward/mean":0.5}';
  expect(pointOf(step, 'line 1')).toEqual({ step: 2, atSeconds: 1767225600, metrics: { 'reward/mean': 0.5 } });
  const evaluation =
    '{"kind":"eval","at":"2026-01-01T00:00:00.000Z","run":"a","stage":"one","name":"after","step":2,"version":2,"greedy.n":6}';
  expect(pointOf(evaluation, 'line 2').metrics).toEqual({ 'eval/greedy.n': 6 });
});

test.each([
  ['{"kind":"st', 'runs/a/metrics.jsonl, line 3 is not JSON'],
  ['{"kind":"other"}', 'runs/a/metrics.jsonl, line 3 is no line of metrics'],
])('a damaged line is named: %s', (line, message) => {
  expect(() => pointOf(line, 'runs/a/metrics.jsonl, line 3')).toThrow(message);
});
