import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { z } from 'zod';

export interface RunningServer extends AsyncDisposable {
  readonly pid: number;
  /** Bound addresses by protocol, as the server's line on stdout gave them. */
  readonly addresses: Readonly<Record<string, string>>;
  /** From the start of the process to that line. */
  readonly startMs: number;
}

const startLimitMs = 600_000;
const stopLimitMs = 15_000;

/** Starts a process that prints one line of JSON with its addresses when it is ready. */
export async function startServer(command: string, args: readonly string[]): Promise<RunningServer> {
  const started = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const onExit = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', onExit);
  child.once('exit', () => process.off('exit', onExit));
  const lines = createInterface({ input: child.stdout });
  const timer = setTimeout(() => child.kill('SIGKILL'), startLimitMs);
  try {
    for await (const line of lines) {
      const addresses = z.record(z.string(), z.string()).parse(JSON.parse(line));
      // Whatever it prints later must not fill the pipe.
      child.stdout.resume();
      return {
        pid: child.pid ?? 0,
        addresses,
        startMs: Math.round(performance.now() - started),
        async [Symbol.asyncDispose]() {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const exited = once(child, 'exit');
          child.kill('SIGTERM');
          const killer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs);
          await exited;
          clearTimeout(killer);
        },
      };
    }
  } finally {
    clearTimeout(timer);
  }
  throw new Error(`${command} ${args[0] ?? ''} ended before it served; its log is above`);
}
