import { join } from 'node:path';
import { startNatsServer } from '#shared/nats/nats-server.ts';
import type { Exit, Ready } from './child-service.ts';
import type { Guardian } from '#shared/runtime/guardian.ts';
import type { Running } from './supervise-service.ts';

export interface StartNatsOptions {
  /** Of the runs' home: streams live in <home>/nats, so that a stopped run finds its ledger again. */
  readonly home: string;
  /** Where the one before it listened; clients reconnect there. */
  readonly at: Ready | undefined;
  readonly guardian: Guardian;
  readonly signal: AbortSignal;
}

/** NATS as a supervised process of the fleet. */
export async function startNats({ home, at, guardian, signal }: StartNatsOptions): Promise<Running<Ready>> {
  const { promise: exited, resolve } = Promise.withResolvers<Exit>();
  const server = await startNatsServer({
    storeDirectory: join(home, 'nats'),
    signal,
    onExit: (reason) => resolve(exitFrom(reason)),
    ...(at?.nats !== undefined && { port: Number(at.nats.split(':').at(-1)) }),
  });
  guardian.watch(server.pid);
  return {
    pid: server.pid,
    addresses: { service: 'nats', nats: `127.0.0.1:${server.port}` },
    exited,
    async stop() {
      // It has a bound of its own.
      await server.stop();
      guardian.forget(server.pid);
      resolve({ code: 0, signal: null });
    },
  };
}

/** `exit code 1` or `signal SIGKILL`, as the server's starter words it. */
function exitFrom(reason: string): Exit {
  const code = /^exit code (\d+)$/.exec(reason)?.[1];
  if (code !== undefined) return { code: Number(code), signal: null };
  return { code: null, signal: reason.startsWith('signal SIGTERM') ? 'SIGTERM' : 'SIGKILL' };
}
