import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { existsSync, readFileSync } from 'node:fs';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { startGuardian } from '#platform/runtime/guardian.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { vllmOptions } from './options.ts';
import { startVllm } from './start.ts';

it('a server that does not take the name of its weights is ended, and not left behind', async () => {
  const directory = await temporaryDirectory('vllm-');
  const program = join(directory, 'python');
  const pidFile = join(directory, 'pid');
  // In the place of Python: healthy, and knows no other route.
  const source = [
    `#!${process.execPath}`,
    "const port = Number(process.argv[process.argv.indexOf('--port') + 1]);",
    `require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));`,
    "const http = require('node:http');",
    "http.createServer((request, response) => response.writeHead(request.url === '/health' ? 200 : 404).end()).listen(port, '127.0.0.1');",
  ];
  await writeFile(program, source.join('\n'));
  await chmod(program, 0o755);
  const guardian = startGuardian();
  onTestFinished(() => guardian.release());
  const plan = {
    modelDirectory: directory,
    tokenizerDirectory: directory,
    version: 3n,
    maxContext: 64,
    maxRunning: 1,
    threads: 1,
    device: 'cpu',
  } as const;
  const host = {
    log: createLogger({ service: 'test', level: 'silent' }),
    guardian,
    variables: {},
    signal: new AbortController().signal,
  };
  await expect(startVllm(plan, vllmOptions.parse({ python: program }), host)).rejects.toThrow('vllm answered 404');
  const pid = readFileSync(pidFile, 'utf8');
  await vi.waitFor(() => expect(existsSync(`/proc/${pid}/exe`)).toBe(false), { timeout: 60_000, interval: 10 });
});
