import { faultInWords } from '#user-code/user-code-error.ts';
import { parseJSONRPCMessage, type JSONRPCMessage, type Transport } from '@modelcontextprotocol/client';
import { sleep } from '#platform/async/sleep.ts';
import { TransientError, isGradusError } from '#platform/errors.ts';
import { startProgram, type ContainedProgram } from '#user-code/contained-program.ts';
import { createLineSplitter } from '#user-code/line-splitter.ts';
import { createLogLimit } from '#user-code/log-limit.ts';
import type { UserCodeHost } from '#user-code/user-code-host.ts';

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

/** Lines on stdout that are no messages; a banner is forgiven, a program that is no server is not. */
const mostStrayLines = 1000;
/** For a server that saves what it has when its input ends. */
const politeEndMs = 500;

/**
 * MCP over the pipes of a process: `created -> running -> gone`. The SDK's own transport starts a process without limits, in our process
 * group and with our environment's PATH, HOME and more; this one has what custom scorers have.
 */
export function createProcessTransport(server: ProcessServer, host: UserCodeHost): ProcessTransport {
  const { name, maxMessageBytes } = server;
  const strayLimit = createLogLimit(3, 60_000);
  let program: ContainedProgram | undefined;
  let gone: Promise<void> | undefined;
  let failure: string | undefined;
  let strays = 0;
  let firstStray = '';

  function end(reason: string): void {
    failure ??= reason;
    program?.kill();
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
    const started = await startProgram(
      {
        ...server,
        env: granted(server.granted, host.variables),
        name: { server: name },
        message: 'a tool server prints',
      },
      host,
    ).catch((thrown: unknown) => {
      if (isGradusError(thrown) || !(thrown instanceof Error)) throw thrown;
      throw faultInWords(`server '${name}': ${thrown.message}`);
    });
    program = started;
    started.stdout.on(
      'data',
      createLineSplitter(maxMessageBytes, onLine, () =>
        end(`it sent a message of more than max_message_mebibytes (${maxMessageBytes / 2 ** 20})`),
      ),
    );
    gone = started.ended.then(({ how, lastWords }) => {
      program = undefined;
      const said = [
        ...(firstStray === '' ? [] : [`; on stdout: ${firstStray}`]),
        ...(lastWords === '' ? [] : [`; on stderr: ${lastWords}`]),
      ];
      failure = `${failure ?? how}${said.join('')}`;
      transport.onclose?.();
    });
  }

  const transport: ProcessTransport = {
    get failure() {
      return failure;
    },
    start,
    async send(message) {
      if (program === undefined) throw new TransientError('unavailable', failure ?? 'it is gone');
      program.stdin.write(`${JSON.stringify(message)}\n`);
    },
    async close() {
      if (gone === undefined) return;
      program?.stdin.end();
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
