import { realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { TerminalError, errorFrom } from '../errors.ts';
import { isLoopbackAddress } from '../http/allowed-hosts.ts';

export const rootsField = z
  .array(z.string().refine(isAbsolute, 'must be an absolute path'))
  .max(64)
  .default([])
  .describe(
    'Directories that runs and models may lie in, absolute; paths that callers name elsewhere are refused. Empty: anywhere, on loopback only.',
  );

/** For `check` of a config with `roots`: whoever is on another machine names no directory that nobody has vouched for. */
export function rootsOfRemote({
  value: { roots, grpc, insecureRemote },
  issues,
}: z.core.ParsePayload<{ roots: readonly string[]; grpc: string; insecureRemote: boolean }>): void {
  if (roots.length > 0 || (isLoopbackAddress(grpc) && !insecureRemote)) return;
  issues.push({
    code: 'custom',
    path: ['roots'],
    input: roots,
    message:
      'is empty and this service is for other machines: callers could name any directory; give the directories of runs and models as --roots DIR,DIR',
  });
}

/** Throws TerminalError for a path that is not absolute, or not under one of `roots` if there are any; links are followed. */
export async function checkRoots(field: string, path: string, roots: readonly string[]): Promise<void> {
  if (!isAbsolute(path))
    throw new TerminalError('invalid_argument', `${field} is '${path}'; it must be an absolute path`);
  if (roots.length === 0) return;
  const real = await realPathOf(resolve(path));
  for (const root of roots) {
    const inside = relative(await realPathOf(root), real);
    if (inside !== '..' && !inside.startsWith('../') && !isAbsolute(inside)) return;
  }
  throw new TerminalError(
    'permission_denied',
    `${field} is '${path}', which lies outside of ${roots.join(', ')}; move it there, or start this service with its folder in --roots (a fleet of one machine: gradus up --root)`,
  );
}

/** Also of what is not there yet: the real path of the nearest folder that is, and the rest. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorFrom(error).code !== 'not_found' || dirname(path) === path) throw error;
    return join(await realPathOf(dirname(path)), basename(path));
  }
}
