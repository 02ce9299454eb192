import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Host } from './host-fleet.ts';

const run = promisify(execFile);

/** Two hosts on one machine: this network namespace and one of its own, with a cable between them. */
export interface TwoHosts extends AsyncDisposable {
  readonly near: Host;
  readonly far: Host;
  /** Pulls the cable: no packet passes, and nobody is notified. */
  cut(): Promise<void>;
  heal(): Promise<void>;
}

/** Why there cannot be a second host here; undefined when there can. */
export async function whyNoTwoHosts(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'network namespaces are of Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const name = `gradus-try-${process.pid}`;
  try {
    await ip('netns', 'add', name);
    await ip('netns', 'delete', name);
    return undefined;
  } catch (error) {
    return `'ip netns' does not work here (iproute2 and CAP_SYS_ADMIN are needed): ${error instanceof Error ? error.message.split('\n')[0] : ''}`;
  }
}

export async function createTwoHosts(): Promise<TwoHosts> {
  const id = process.pid % 60_000;
  const namespace = `gradus-${id}`;
  const [nearEnd, farEnd] = [`gradus-n${id}`, `gradus-f${id}`];
  // One of 16,384 networks of four addresses in 198.18.0.0/16, which RFC 2544 keeps for tests.
  const network = (id * 4) % 65_536;
  const address = (host: number): string => `198.18.${Math.floor(network / 256)}.${(network % 256) + host}`;
  const inside = (...args: readonly string[]): Promise<unknown> => ip('-n', namespace, ...args);
  const remove = async (): Promise<void> => {
    // The cable goes with the namespace that holds one of its ends.
    await ip('netns', 'delete', namespace).catch(() => undefined);
    await ip('link', 'delete', nearEnd).catch(() => undefined);
  };
  try {
    await ip('netns', 'add', namespace);
    await ip('link', 'add', nearEnd, 'type', 'veth', 'peer', 'name', farEnd);
    await ip('link', 'set', farEnd, 'netns', namespace);
    await ip('address', 'add', `${address(1)}/30`, 'dev', nearEnd);
    await ip('link', 'set', nearEnd, 'up');
    await inside('address', 'add', `${address(2)}/30`, 'dev', farEnd);
    await inside('link', 'set', 'lo', 'up');
    await inside('link', 'set', farEnd, 'up');
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    near: { ip: address(1), command: [] },
    far: { ip: address(2), command: ['ip', 'netns', 'exec', namespace] },
    cut: async () => void (await inside('link', 'set', farEnd, 'down')),
    heal: async () => void (await inside('link', 'set', farEnd, 'up')),
    [Symbol.asyncDispose]: remove,
  };
}

async function ip(...args: readonly string[]): Promise<unknown> {
  return await run('ip', args, { timeout: 10_000 });
}
