import type { LoadRow } from './measure-loads.ts';

/** One line for a person who watches. */
export function describeRow(row: LoadRow): string {
  const { clients, callsPerSecond, rightPerSecond, p50Ms, p95Ms, p99Ms, cpuSeconds } = row;
  const load = callsPerSecond === undefined ? `${clients} clients` : `${clients} clients at ${callsPerSecond}/s`;
  const bad = `${row.errors} errors, ${row.wrong} wrong, ${row.lost} lost`;
  const cpu = `CPU s: server ${cpuSeconds.server}, client ${cpuSeconds.client}, others ${cpuSeconds.others}`;
  return `  ${load}: ${rightPerSecond}/s, p50 ${p50Ms}, p95 ${p95Ms}, p99 ${p99Ms} ms, ${bad}; ${cpu}\n`;
}
