import type { EngineServer, ServerLoad } from '#engines/kit/engine-server.ts';
import { sleep } from '#platform/async/sleep.ts';
import { errorFrom } from '#platform/errors.ts';
import type { EngineSidecarConfig } from '../config.ts';
import type { ServerLink } from './server-link.ts';
import { within } from './within.ts';

export interface WatchPorts {
  readonly link: ServerLink;
  /** The client to ask, whatever the state; undefined while there is no server. */
  readonly server: () => EngineServer | undefined;
  /** It is another process than before, or answers again: asks it what it can do, and takes it in where that is right. */
  readonly back: (server: EngineServer) => Promise<void>;
  /** Whether the weights that it was given last may be called so; any are while it is given some. */
  readonly mayName: (version: bigint) => boolean;
  /** It lives, and has been down for `hungAfterMs`. */
  readonly hung: () => void;
  readonly onStatus: (load: ServerLoad) => void;
  readonly signal: AbortSignal;
}

type Bounds = Pick<EngineSidecarConfig, 'statusIntervalMs' | 'statusTimeoutMs' | 'statusFailures' | 'hungAfterMs'>;

/**
 * Looks at the server until `signal` aborts. It is down when it missed `statusFailures` looks in a row and finished no turn between them: a busy server
 * may be slow to answer. One that says another version than it was given was started anew.
 */
export async function watchServer(ports: WatchPorts, bounds: Bounds): Promise<void> {
  const { link, signal } = ports;
  let missed = 0;
  let downSinceMs: number | undefined;

  async function look(): Promise<void> {
    const server = ports.server();
    if (server === undefined) return;
    try {
      const status = await within(signal, bounds.statusTimeoutMs, 'its status', (until) => server.status(until));
      const isOther = status.version !== undefined && !ports.mayName(status.version);
      if (isOther || link.state === 'down') await ports.back(server);
      if (link.state === 'up') link.report(status);
      ports.onStatus(status);
      missed = 0;
      downSinceMs = undefined;
    } catch (thrown) {
      if (signal.aborted) return;
      missed = link.takeAnswered() > 0 ? 0 : missed + 1;
      if (missed < bounds.statusFailures) return;
      downSinceMs ??= performance.now();
      link.detach(errorFrom(thrown).message);
      if (performance.now() - downSinceMs < bounds.hungAfterMs) return;
      downSinceMs = undefined;
      ports.hung();
    }
  }

  while (!signal.aborted) {
    await look();
    link.takeAnswered();
    await Promise.race([sleep(bounds.statusIntervalMs, signal).catch(() => undefined), link.trouble]);
  }
}
