import { expect, test } from 'vitest';
import { createStopRequests } from './run-service.ts';

test('one Ctrl-C that arrives twice, from the terminal and from a parent, is one request', () => {
  let nowMs = 0;
  const asked = createStopRequests(() => nowMs);
  expect(asked('SIGINT')).toBe('stop');
  nowMs = 300;
  expect(asked('SIGINT')).toBe('repeat');
  nowMs = 301;
  expect(asked('SIGINT')).toBe('end');
});

test('another signal is a first one of its kind', () => {
  let nowMs = 0;
  const asked = createStopRequests(() => nowMs);
  expect(asked('SIGINT')).toBe('stop');
  nowMs = 5_000;
  expect(asked('SIGTERM')).toBe('stop');
  expect(asked('SIGINT')).toBe('end');
});
