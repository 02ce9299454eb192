import { join } from 'node:path';
import { connectNats } from '#platform/nats/connect.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import type { NatsServer } from '#platform/nats/nats-server.ts';
import { streams } from '#platform/nats/streams.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';

/** Three NATS servers with JetStream on this machine, as on three machines. */
export interface NatsCluster extends AsyncDisposable {
  /** Of all three, separated by commas. */
  readonly url: string;
  /** SIGKILL to the server that leads a stream; gives its number. */
  killLeaderOf(stream: string, signal: AbortSignal): Promise<number>;
  /** Starts a killed one again on its store. */
  restart(number: number): Promise<void>;
}

const size = 3;

export async function startNatsCluster(directory: string): Promise<NatsCluster> {
  // Members of a cluster have to know each other's before they start.
  const ports = async (): Promise<number[]> => await Promise.all(Array.from({ length: size }, lastingPort));
  const [clients, routes] = [await ports(), await ports()];
  const start = (number: number): Promise<NatsServer> =>
    startNatsServer({
      storeDirectory: join(directory, `nats-${number}`),
      port: clients[number] ?? 0,
      cluster: { clusterName: 'gradus', serverName: `n${number}`, port: routes[number] ?? 0, ports: routes },
    });
  const servers = await Promise.all(Array.from({ length: size }, (_, number) => start(number)));
  const url = servers.map((server) => server.url).join(',');
  return {
    url,
    async killLeaderOf(stream, signal) {
      const log = createLogger({ service: 'chaos', level: 'silent' });
      const nats = await connectNats({ url, name: 'chaos-cluster', log, signal });
      const leader = (await nats.jsm.streams.info(stream)).cluster?.leader ?? '';
      await nats.close();
      const number = Number(/^n(\d)$/.exec(leader)?.[1] ?? NaN);
      const server = servers[number];
      if (server === undefined) throw new Error(`stream ${stream} is led by '${leader}', none of n0, n1, n2`);
      process.kill(server.pid, 'SIGKILL');
      await server.stop();
      return number;
    },
    async restart(number) {
      servers[number] = await start(number);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

/** Streams whose leaders are worth losing. */
export const ledStreams = [streams.tasks, streams.ledger, streams.results] as const;
