import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Writable } from 'node:stream';

export interface Guardian {
  /** The process group `pid` is ended when this process is gone, even by SIGKILL. */
  watch(pid: number): void;
  forget(pid: number): void;
  /** To be called once every child has ended. */
  release(): void;
}

/** A guardian that dies at once, again and again, must not keep this process busy. */
const replaceMs = 500;

/**
 * Starts the small process that ends our children if we cannot: see guardian.sh. One that dies is replaced by one that knows
 * the same children. `pid` is that of the process itself.
 */
export function startGuardian(): Guardian & { readonly pid: number | undefined } {
  const watched = new Set<number>();
  let released = false;
  let child = start();

  function start(): ChildProcess {
    const started = spawn('/bin/sh', [join(import.meta.dirname, 'guardian.sh')], {
      // A session of its own: Ctrl-C on the terminal must not reach it.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // Not there when it could not be started for want of descriptors.
    const { stdin }: { readonly stdin?: Writable | null } = started;
    // Written to after its death, before we know of it: the next one is given everything again.
    stdin?.on('error', () => {});
    started.unref();
    if (stdin && 'unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
    let ended = false;
    const replace = (): void => {
      if (released || ended) return;
      ended = true;
      setTimeout(() => {
        if (released) return;
        child = start();
        for (const pid of watched) send(`+ ${pid}\n`);
      }, replaceMs).unref();
    };
    started.once('exit', replace);
    started.once('error', replace);
    return started;
  }

  function send(line: string): void {
    if (child.stdin?.writable === true) child.stdin.write(line);
  }

  return {
    get pid() {
      return child.exitCode === null && child.signalCode === null ? child.pid : undefined;
    },
    watch(pid) {
      watched.add(pid);
      send(`+ ${pid}\n`);
    },
    forget(pid) {
      watched.delete(pid);
      send(`- ${pid}\n`);
    },
    release() {
      released = true;
      child.stdin?.end();
    },
  };
}
