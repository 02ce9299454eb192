import { join } from 'node:path';
import { startServer, type RunningServer } from './start-server.ts';

const main = join(import.meta.dirname, '../../services/retrieval/main.ts');

export interface GradusServer extends RunningServer {
  readonly command: string;
}

/** The service as a process of its own, over gRPC and HTTP. */
export async function startGradus(flags: readonly string[]): Promise<GradusServer> {
  const server = await startServer(process.execPath, [
    main,
    ...flags,
    '--http',
    '127.0.0.1:0',
    '--grpc',
    '127.0.0.1:0',
    '--log-level',
    'warn',
  ]);
  const shown = flags.map((flag) => flag.replace(/^.*\/(?=[^/]+$)/, ''));
  return Object.assign(server, { command: `services/retrieval/main.ts ${shown.join(' ')}` });
}
