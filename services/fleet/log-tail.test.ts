import { expect, test } from 'vitest';
import { troublesIn } from './log-tail.ts';

test('errors are found, with their causes, and not repeated', () => {
  const text = [
    '{"level":"info","message":"starts"}',
    '{"level":"error","message":"max_context is 1024; lower it"}',
    '{"level":"fatal","message":"the service failed: no corpus","err":{"message":"no corpus"}}',
    '{"level":"error","message":"could not load","err":{"message":"ENOENT"}}',
  ].join('\n');
  expect(troublesIn(text, 3)).toEqual([
    'max_context is 1024; lower it',
    'the service failed: no corpus',
    'could not load: ENOENT',
  ]);
});

test('without an error record the last plain lines speak, as of a traceback', () => {
  const text = '{"level":"info","message":"starts"}\nTraceback\n  File "x.py"\nImportError: no torch\n';
  expect(troublesIn(text, 2)).toEqual(['  File "x.py"', 'ImportError: no torch']);
});
