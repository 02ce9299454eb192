import { spawn } from 'node:child_process';
import { join } from 'node:path';

export interface Guardian {
  /** The process group `pid` is ended when this process is gone, even by SIGKILL. */
  watch(pid: number): void;
  forget(pid: number): void;
  /** To be called once every child has ended. */
  release(): void;
}

/** Starts the small process that ends our children if we cannot: see guardian.sh. */
export function startGuardian(): Guardian {
  const child = spawn('/bin/sh', [join(import.meta.dirname, 'guardian.sh')], {
    // A session of its own: Ctrl-C on the terminal must not reach it.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const { stdin } = child;
  // It can only be gone if somebody killed it; children are then ended by stop() alone.
  stdin.on('error', () => {});
  child.on('error', () => {});
  child.unref();
  if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  const send = (line: string): void => {
    if (stdin.writable) stdin.write(line);
  };
  return {
    watch: (pid) => send(`+ ${pid}\n`),
    forget: (pid) => send(`- ${pid}\n`),
    release: () => stdin.end(),
  };
}
