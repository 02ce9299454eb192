import { lookup } from 'node:dns/promises';
import { z } from 'zod';
import { sleep } from '../async/sleep.ts';

export interface NamesOptions {
  /** As `dns:///name:port`. */
  readonly names: readonly string[];
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  /** Addresses of a name; an empty list when it has none now. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  /** host:port, known or not. */
  readonly onPresent: (address: string) => void;
  /** Was among the addresses before, and is not any more. Called again until it is back. */
  readonly onAbsent: (address: string) => void;
  readonly onFailed: (name: string, error: Error) => void;
}

const PREFIX = 'dns:///';

/** One server. */
export const hostAndPort = z.string().regex(/^[^\s:]+:\d{1,5}$/, 'must be host:port');

/** `host:port`, or `dns:///name:port` for every address of a name. */
export const addressOrName = z
  .string()
  .regex(
    /^(dns:\/\/\/)?[^\s,/]+:\d{1,5}$/,
    'must be host:port, for example 127.0.0.1:41234, or dns:///name:port for every address of a name',
  );

/** Some of those, with commas between. */
export const addressList = z
  .string()
  .refine(
    (text) => text.split(',').every((each) => addressOrName.safeParse(each).success),
    'must be host:port, for example 127.0.0.1:41234, dns:///name:port, or a comma list of them',
  );

export const isName = (address: string): boolean => address.startsWith(PREFIX);

/** Follows names whose addresses come and go, such as a headless service of Kubernetes. The first look is over when it returns. */
export async function followNames(options: NamesOptions): Promise<void> {
  const { names, intervalMs, signal, resolve = resolveAll } = options;
  const seen = new Map<string, Set<string>>();

  async function look(name: string): Promise<void> {
    const target = name.slice(PREFIX.length);
    const colon = target.lastIndexOf(':');
    let found: readonly string[];
    try {
      found = await resolve(target.slice(0, colon));
    } catch (thrown) {
      options.onFailed(name, thrown instanceof Error ? thrown : new Error(String(thrown)));
      return;
    }
    const port = target.slice(colon + 1);
    const present = new Set(found.map((host) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)));
    const before = seen.get(name) ?? new Set();
    for (const address of present) options.onPresent(address);
    for (const address of before) if (!present.has(address)) options.onAbsent(address);
    seen.set(name, new Set([...before, ...present]));
  }

  const lookAll = async (): Promise<void> => void (await Promise.all(names.map(look)));
  await lookAll();
  if (names.length === 0) return;
  void (async () => {
    while (!signal.aborted) {
      await sleep(intervalMs, signal).catch(() => undefined);
      if (!signal.aborted) await lookAll();
    }
  })();
}

async function resolveAll(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    // A headless service without pods has no record: an answer, not a failure.
    if (error instanceof Error && 'code' in error && error.code === 'ENOTFOUND') return [];
    throw error;
  }
}
