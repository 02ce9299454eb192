import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { repositoryRoot } from '#platform/repository.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';

const ours = join(repositoryRoot, '.build/s3/bin/moto_server');
const program = existsSync(ours) ? ours : 'moto_server';

/** Empty where a server is there. */
export const s3Skipped =
  spawnSync(program, ['--help']).status === 0 ? '' : " (skipped: no moto_server here; 'make s3-server' makes it)";

/** A server that speaks S3's API on loopback, with one bucket; gives its endpoint. */
export async function startS3Server(bucket: string): Promise<string> {
  const port = await lastingPort();
  const server = spawn(program, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const exit = new Promise((resolve) => server.once('close', resolve));
  onTestFinished(async () => {
    server.kill('SIGTERM');
    await exit;
  });
  const endpoint = `http://127.0.0.1:${port}`;
  for (const until = Date.now() + 120_000; Date.now() < until;) {
    const made = await fetch(`${endpoint}/${bucket}`, { method: 'PUT' }).catch(() => undefined);
    if (made?.ok === true) return endpoint;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('moto_server did not answer within 120 s');
}
