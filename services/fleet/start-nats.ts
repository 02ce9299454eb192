import { join } from 'node:path';
import { connectNats } from '#platform/nats/connect.ts';
import { natsUsers, natsTls } from '#platform/nats/permissions.ts';
import { credentialFiles } from './credentials-directory.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import { ensureStreams } from '#platform/nats/streams.ts';
import type { Security } from '#platform/security/security.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { signalGroup } from './child-service.ts';
import type { Exit, Ready } from './child-service.ts';
import type { Guardian } from '#platform/runtime/guardian.ts';
import type { Running } from './supervise-service.ts';

export interface StartNatsOptions {
  /** Of the runs' home: streams live in <home>/nats, so that a stopped run finds its ledger again. */
  readonly home: string;
  /** Where the one before it listened, and clients reconnect; any free port when absent. */
  readonly at: string | undefined;
  /** Absolute; the server then takes who has a certificate of it alone. */
  readonly credentials?: string | undefined;
  readonly guardian: Guardian;
  readonly signal: AbortSignal;
}

/** Where users differ: workers may make no streams, and a coordinator may start after them or not at all. */
export async function makeStreams(url: string, security: Security, signal: AbortSignal): Promise<void> {
  const log = createLogger({ service: 'gradus', level: 'error' });
  const nats = await connectNats({ url, name: 'gradus', log, signal, security });
  try {
    await ensureStreams(nats);
  } finally {
    await nats.close();
  }
}

/** NATS as a supervised process of the fleet. */
export async function startNats({
  home,
  at,
  credentials,
  guardian,
  signal,
}: StartNatsOptions): Promise<Running<Ready>> {
  const { promise: exited, resolve } = Promise.withResolvers<Exit>();
  let hasExited = false;
  const server = await startNatsServer({
    storeDirectory: join(home, 'nats'),
    signal,
    ...(credentials !== undefined && {
      configLines: [natsTls(credentialFiles(credentials, 'nats')), natsUsers()],
    }),
    // Before it serves: we may be killed meanwhile.
    onSpawned: (pid, ended) => {
      guardian.watch(pid);
      void ended.then(() => {
        hasExited = true;
        guardian.forget(pid);
      });
    },
    onExit: (reason) => resolve(exitFrom(reason)),
    ...(at !== undefined && { port: Number(at.split(':').at(-1)) }),
  });
  return {
    pid: server.pid,
    addresses: { service: 'nats', nats: `127.0.0.1:${server.port}` },
    exited,
    kill() {
      // Its id may be another's later.
      if (!hasExited) signalGroup(server.pid, 'SIGKILL');
    },
    async stop() {
      // It has a bound of its own.
      await server.stop();
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
