import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { parseJSONRPCMessage, type JSONRPCMessage, type Transport } from '@modelcontextprotocol/client';
import { sleep } from '#platform/async/sleep.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { createContainedGroup, type ContainedGroup } from '#user-code/containment.ts';
import { createLineSplitter } from '#user-code/line-splitter.ts';
import { createLogLimit } from '#user-code/log-limit.ts';
import { createProcessOutput } from '#user-code/process-output.ts';
import type { UserCodeHost } from '#user-code/user-code-host.ts';
import { setUpWrong } from './tool-errors.ts';

export interface ProcessServer {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly directory: string;
  /** Names of variables of the host that the process gets. */
  readonly granted: readonly string[];
  readonly memoryMebibytes: number;
  readonly maxMessageBytes: number;
}

export interface ProcessTransport extends Transport {
  /** Why its process is of no use any more, with its last words. */
  readonly failure: string | undefined;
}

const boundsCheckMs = 250;
/** Lines on stdout that are no messages; a banner is forgiven, a program that is no server is not. */
const mostStrayLines = 1000;
/** For a server that saves what it has when its input ends. */
const politeEndMs = 500;
/** For the last words of a process that is gone; a grandchild may hold its stderr open. */
const lastWordsMs = 250;

/**
 * MCP over the pipes of a process: `created -> running -> gone`. The SDK's own transport starts a process without limits, in our process
 * group and with our environment's PATH, HOME and more; this one has what custom scorers have.
 */
export function createProcessTransport(server: ProcessServer, host: UserCodeHost): ProcessTransport {
  const { name, maxMessageBytes } = server;
  const output = createProcessOutput(host.log, { server: name }, 'a tool server prints');
  const strayLimit = createLogLimit(3, 60_000);
  let group: ContainedGroup | undefined;
  let pid: number | undefined;
  let stdin: NodeJS.WritableStream | undefined;
  let gone: Promise<void> | undefined;
  let failure: string | undefined;
  let strays = 0;
  let firstStray = '';

  function end(reason: string): void {
    failure ??= reason;
    if (pid !== undefined) group?.kill(pid);
  }

  function onLine(line: string): void {
    if (line.trim() === '') return;
    let message: JSONRPCMessage;
    try {
      message = parseJSONRPCMessage(JSON.parse(line));
    } catch {
      strays += 1;
      firstStray ||= line.slice(0, 200);
      const suppressed = strayLimit.take();
      if (suppressed !== undefined)
        host.log.warn(
          { server: name, text: line.slice(0, 200), suppressed },
          'a tool server printed a line that is not a message',
        );
      if (strays > mostStrayLines) end(`it printed ${strays} lines that are no MCP messages`);
      return;
    }
    transport.onmessage?.(message);
  }

  async function start(): Promise<void> {
    const [command, ...args] = server.command;
    const env = granted(server.granted, host.variables);
    group = createContainedGroup(host.containment, {
      command: findCommand(command, server.directory, env['PATH'], name),
      args,
      env,
      memoryMebibytes: server.memoryMebibytes,
    });
    // Its own process group, for the guardian.
    const child = spawn(group.command, [...group.args], { detached: true, cwd: server.directory, env: group.env });
    const failed = new Promise<Error>((done) => child.once('error', done));
    if (child.pid === undefined) {
      await group.dispose();
      throw new TransientError('unavailable', `its process cannot be started: ${(await failed).message}`);
    }
    pid = child.pid;
    stdin = child.stdin;
    host.guardian.watch(pid);
    const lastWords = output.read('stderr', child.stderr);
    child.stdout.on(
      'data',
      createLineSplitter(maxMessageBytes, onLine, () =>
        end(`it sent a message of more than max_message_mebibytes (${maxMessageBytes / 2 ** 20})`),
      ),
    );
    for (const pipe of [child.stdin, child.stdout]) pipe.on('error', () => {});
    const watch = setInterval(() => {
      const excess = pid === undefined ? undefined : group?.excess(pid);
      if (excess !== undefined) end(excess.detail.replace('memoryMebibytes', 'memory_mebibytes'));
    }, boundsCheckMs);
    watch.unref();
    const closed = new Promise<void>((done) => child.once('close', () => done()));
    gone = new Promise<void>((done) => {
      child.once('exit', (code, signal) => {
        clearInterval(watch);
        const excess = group?.excess(child.pid ?? 0)?.detail.replace('memoryMebibytes', 'memory_mebibytes');
        if (child.pid !== undefined) {
          // Processes that it left behind.
          group?.kill(child.pid);
          host.guardian.forget(child.pid);
        }
        pid = undefined;
        void Promise.race([closed, sleep(lastWordsMs)]).then(async () => {
          const how = excess ?? (signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`);
          const said = [
            ...(firstStray === '' ? [] : [`; on stdout: ${firstStray}`]),
            ...(lastWords().trim() === '' ? [] : [`; on stderr: ${lastWords().trim().slice(-2000)}`]),
          ];
          failure = `${failure ?? how}${said.join('')}`;
          for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
          await group?.dispose();
          transport.onclose?.();
          done();
        });
      });
    });
  }

  const transport: ProcessTransport = {
    get failure() {
      return failure;
    },
    start,
    async send(message) {
      if (stdin === undefined || pid === undefined) throw new TransientError('unavailable', failure ?? 'it is gone');
      stdin.write(`${JSON.stringify(message)}\n`);
    },
    async close() {
      if (gone === undefined) return;
      stdin?.end();
      await Promise.race([gone, sleep(politeEndMs)]);
      end('it was closed');
      await gone;
    },
  };
  return transport;
}

function granted(names: readonly string[], variables: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(variables).filter(([key]) => key === 'PATH' || names.includes(key)));
}

/** Absolute. Looked for here, since what starts it in a namespace would report a missing one as its own failure. */
function findCommand(command: string, directory: string, path = '/usr/bin:/bin', server: string): string {
  const candidates = command.includes('/')
    ? [isAbsolute(command) ? command : resolve(directory, command)]
    : path.split(delimiter).map((folder) => join(folder, command));
  const found = candidates.find(isProgram);
  if (found !== undefined) return found;
  const where = command.includes('/') ? candidates.join('') : `in PATH (${path})`;
  throw setUpWrong(
    `server '${server}': there is no program '${command}' ${command.includes('/') ? `at ${where}` : where}`,
  );
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch (thrown) {
    if (errorFrom(thrown).code === 'internal') throw thrown;
    return false;
  }
}
