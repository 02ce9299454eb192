import { expect, test } from 'vitest';
import { report } from './report.ts';
import { tablesOf } from './tables.ts';

const machine = { cpu: 'c', cores: 2, memoryGiB: 24, node: 'v24', at: '2026-01-01T00:00:00Z' };
const row = {
  clients: 2_000,
  rightPerSecond: 3_000,
  calls: 12_345,
  wrong: 0,
  errors: 3,
  errorsByReason: { 'http status 503': 3 },
  lost: 0,
  cpuSeconds: { server: 1.5, client: 0.25, others: 0 },
  serverResidentMiB: 200,
  p50Ms: 1.2345,
  p95Ms: 20,
  p99Ms: 30.123,
  maxMs: 1_234.5,
};

test('a load is shown with its errors, and next to the first server where several are compared', () => {
  const targets = [
    { name: 'gradus', protocol: 'http', startMs: 1_000, rows: [row] },
    {
      name: 'other',
      protocol: 'http',
      startMs: 2_000,
      rows: [{ ...row, rightPerSecond: 1_500, clients: 100, callsPerSecond: 1_500 }],
    },
  ];
  const text = tablesOf(report.parse({ part: 'servers', command: 'npx x', machine, queries: 1, targets }));
  expect(text.split('\n').slice(0, 6)).toEqual([
    '`npx x`',
    '',
    '| setting | protocol | clients | queries/s | p50 ms | p95 | p99 | max | calls | errors | wrong | lost | CPU s: server / client / others | × gradus |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|---|---|',
    '| gradus | http | 2,000 | 3,000 | 1.23 | 20 | 30.1 | 1,235 | 12,345 | 3 | 0 | 0 | 1.5 / 0.25 / 0 | 1 |',
    '| other | http | 100 at 1,500/s | 1,500 | 1.23 | 20 | 30.1 | 1,235 | 12,345 | 3 | 0 | 0 | 1.5 / 0.25 / 0 | 0.5 |',
  ]);
});

test('an idle server that differs from the index is named under the table', () => {
  const targets = [{ name: 'lexical', protocol: 'grpc', startMs: 1, idleDiffers: 7, rows: [row] }];
  const text = tablesOf(report.parse({ part: 'load', command: 'npx x', machine, queries: 1, targets }));
  expect(text.endsWith('lexical, grpc: 7 queries answered unlike the index in a process.')).toBe(true);
});
