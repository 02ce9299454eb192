import { existsSync } from 'node:fs';
import { expect, it, onTestFinished, vi } from 'vitest';
import { TerminalError } from '#platform/errors.ts';
import { startGuardian } from '#platform/runtime/guardian.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { freePort, startServerProgram } from './start-server-program.ts';

/** Node as a server: `script` gets `port`. */
async function start(script: string, signal: AbortSignal = new AbortController().signal) {
  const port = await freePort();
  const guardian = startGuardian();
  onTestFinished(() => guardian.release());
  const program = {
    name: 'server',
    command: process.execPath,
    args: ['-e', `const port = ${port}; ${script}`],
    env: process.env,
    baseUrl: `http://127.0.0.1:${port}`,
    healthPath: '/health',
  };
  const log = createLogger({ service: 'test', level: 'silent' });
  return await startServerProgram(program, { log, guardian, variables: {}, signal });
}

const serve = "require('node:http').createServer((request, response) => response.end()).listen(port, '127.0.0.1');";
const killOnRequest = "request.url === '/die' ? process.kill(process.pid, 'SIGKILL') : response.end()";

it('a server is up once it answers, and ends with all that it started', async () => {
  const child = "const { pid } = require('node:child_process').spawn('sleep', ['600']); console.log('child', pid);";
  const server = await start(`${child} ${serve}`);
  await server.stop();
  const how = await server.ended;
  expect(how).toMatch(/^it was ended by SIGTERM\n {2}child \d+$/);
  const pid = /child (\d+)/.exec(how)?.[1] ?? '';
  await vi.waitFor(() => expect(existsSync(`/proc/${pid}/exe`)).toBe(false), { timeout: 60_000, interval: 10 });
});

it('a server that is killed has ended, and so has what it started, though that holds its output open', async () => {
  const child = "require('node:child_process').spawn('sleep', ['600'], { stdio: 'inherit' });";
  const server = await start(`${child} ${serve.replace('response.end()', killOnRequest)}`);
  await fetch(`${server.baseUrl}/die`).catch(() => undefined);
  expect(await server.ended).toMatch(/^it was ended by SIGKILL/);
});

it('a server that ends before it answers ends the start with its last words', async () => {
  const failure = start("console.error('no weights there'); process.exitCode = 3;");
  await expect(failure).rejects.toThrow('server did not start: it ended with exit code 3\n  no weights there');
  await expect(failure).rejects.toBeInstanceOf(TerminalError);
});

it('a program that is not there is said to be', async () => {
  const guardian = startGuardian();
  onTestFinished(() => guardian.release());
  const log = createLogger({ service: 'test', level: 'silent' });
  const program = {
    name: 'server',
    command: '/no/such',
    args: [],
    env: {},
    baseUrl: 'http://127.0.0.1:1',
    healthPath: '/',
  };
  const host = { log, guardian, variables: {}, signal: new AbortController().signal };
  await expect(startServerProgram(program, host)).rejects.toThrow('it cannot be started: spawn /no/such ENOENT');
});

it('a start that is not wanted any more is ended', async () => {
  const { signal, abort } = (() => {
    const controller = new AbortController();
    return { signal: controller.signal, abort: () => controller.abort() };
  })();
  const failure = start('setInterval(() => {}, 1000);', signal);
  abort();
  await expect(failure).rejects.toMatchObject({ name: 'CancelledError' });
});
