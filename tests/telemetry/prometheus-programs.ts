/** Real Prometheus and Alertmanager, where they are installed (Debian: prometheus, prometheus-alertmanager). */
import { execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { z } from 'zod';

export const run = promisify(execFile);

/** Its path, by the first of the names that is there. */
export function program(...names: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export const promtool = program('promtool');
export const prometheus = program('prometheus');
export const alertmanager = program('prometheus-alertmanager', 'alertmanager');

/** Says in a title why a test is skipped. */
export function missing(programs: Readonly<Record<string, string | undefined>>): string {
  const absent = Object.entries(programs).flatMap(([name, path]) => (path === undefined ? [name] : []));
  return absent.length === 0
    ? ''
    : ` (skipped: no ${absent.join(', ')} here; apt-get install prometheus prometheus-alertmanager)`;
}

export interface Served {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts it on a port of its own choice. It ends with the test, or before. */
async function serve(path: string, args: readonly string[]): Promise<Served> {
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
  };
  onTestFinished(stop);
  const said: string[] = [];
  for await (const line of createInterface(child.stderr)) {
    said.push(line);
    const [, address] = /msg="Listening on" address=(\S+)/.exec(line) ?? [];
    if (address !== undefined) {
      child.stderr.resume();
      return { url: `http://${address}`, stop };
    }
  }
  throw new Error(`${path} ended before it listened:\n${said.slice(-20).join('\n')}`);
}

export function startPrometheus(config: string, storage: string): Promise<Served> {
  return serve(prometheus ?? 'prometheus', [
    `--config.file=${config}`,
    `--storage.tsdb.path=${storage}`,
    '--storage.tsdb.retention.time=10d',
    '--web.listen-address=127.0.0.1:0',
  ]);
}

export function startAlertmanager(config: string, storage: string): Promise<Served> {
  return serve(alertmanager ?? 'alertmanager', [
    `--config.file=${config}`,
    `--storage.path=${storage}`,
    '--web.listen-address=127.0.0.1:0',
    '--cluster.listen-address=',
  ]);
}

const answer = z.object({
  data: z.object({
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});

/** The series that a query gives now; an error names the query. */
export async function query(url: string, text: string) {
  const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(text)}`);
  const body: unknown = await response.json();
  const parsed = answer.safeParse(body);
  if (!parsed.success) throw new Error(`${text}: ${JSON.stringify(body)}`);
  return parsed.data.data.result;
}
