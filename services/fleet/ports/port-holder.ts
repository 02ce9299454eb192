import { readFile, readdir, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';

export interface TakenPort {
  /** `host:port` */
  readonly address: string;
  /** `process 123 (python3)`, or that nothing is known of it. */
  readonly holder: string;
}

/** Those of the addresses that cannot be listened at, with who has them. */
export async function findTaken(addresses: readonly string[]): Promise<TakenPort[]> {
  const taken: TakenPort[] = [];
  for (const address of addresses) {
    if (await isFree(address)) continue;
    const port = Number(address.slice(address.lastIndexOf(':') + 1));
    taken.push({ address, holder: await holderOf(port) });
  }
  return taken;
}

function isFree(address: string): Promise<boolean> {
  const colon = address.lastIndexOf(':');
  const server = createServer();
  return new Promise((resolve) => {
    // Only a port that somebody has counts; other errors are the service's own to report.
    server.once('error', (error) => resolve(!('code' in error && error.code === 'EADDRINUSE')));
    server.listen(Number(address.slice(colon + 1)), address.slice(0, colon), () => server.close(() => resolve(true)));
  });
}

/** Linux only; of processes of other users root alone may know. */
async function holderOf(port: number): Promise<string> {
  try {
    const inodes = new Set(await socketsAt(port));
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      if (!(await holdsOneOf(pid, inodes))) continue;
      return `process ${pid} (${(await readFile(`/proc/${pid}/comm`, 'utf8')).trim()})`;
    }
  } catch {
    // No /proc, or the process ended meanwhile.
  }
  return 'another process';
}

/** Inodes of the sockets with that local port. */
async function socketsAt(port: number): Promise<string[]> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
  );
  return tables.flatMap((table) =>
    table.split('\n').flatMap((line) => {
      const [, local, , , , , , , , inode] = line.trim().split(/\s+/);
      return local?.endsWith(suffix) === true && inode !== undefined && inode !== '0' ? [inode] : [];
    }),
  );
}

async function holdsOneOf(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const descriptor of descriptors) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}
