/**
 * Two NATS servers on one store damage it. Each server inherits the lock of its store, so that it is held exactly as long as
 * the server lives, no matter who started it and what became of that.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '../errors.ts';
import { endProcesses } from '../runtime/end-processes.ts';
import { lockFile } from '../runtime/file-lock.ts';
import type { FileLock } from '../runtime/file-lock.ts';
import { identityOf, ownIdentity, processIdentitySchema, stateOf } from '../runtime/process-identity.ts';

/** nats-server.owner.json: who uses the store. The lock says whether it does. */
const ownerSchema = z.object({
  server: processIdentitySchema,
  /** What started the server, and would end it. */
  starter: processIdentitySchema,
});
type Owner = z.infer<typeof ownerSchema>;

/** A server that was asked to end, or whose guardian ends it, needs its time. */
const endingMs = 10_000;

/** Waits for a server that ends, and ends one that nobody is left to end. Throws when another one uses the store. */
export async function lockStore(directory: string, signal: AbortSignal | undefined): Promise<FileLock> {
  const path = join(directory, 'nats-server.lock');
  const free = await lockFile(path, { signal });
  if (free !== undefined) return free;
  const owner = await readOwner(directory);
  // Nobody is left to end it, and it is the very process that was started on this store.
  if (owner !== undefined && stateOf(owner.starter) === 'gone') await endProcesses([owner.server]);
  const lock = await lockFile(path, { waitMs: endingMs, signal });
  if (lock !== undefined) return lock;
  throw new TerminalError(
    'failed_precondition',
    `another nats-server uses the store ${directory} (${describeOwner(await readOwner(directory))}); two on one store would damage it: stop that one first`,
  );
}

/** To be called once the server runs. */
export async function recordOwner(directory: string, serverPid: number): Promise<void> {
  const server = identityOf(serverPid);
  if (server === undefined) return;
  const owner: Owner = { server, starter: ownIdentity() };
  const draft = `${ownerPath(directory)}.draft`;
  await writeFile(draft, JSON.stringify(owner));
  await rename(draft, ownerPath(directory));
}

function ownerPath(directory: string): string {
  return join(directory, 'nats-server.owner.json');
}

async function readOwner(directory: string): Promise<Owner | undefined> {
  try {
    return ownerSchema.parse(JSON.parse(await readFile(ownerPath(directory), 'utf8')));
  } catch {
    // Missing or damaged: the server cannot be named, and the lock still holds.
    return undefined;
  }
}

function describeOwner(owner: Owner | undefined): string {
  if (owner === undefined || stateOf(owner.server) === 'gone') return 'it is not known which process it is';
  const where = stateOf(owner.server) === 'alive' ? '' : ' of another process namespace, container or machine';
  return `process ${owner.server.pid}${where}, started by process ${owner.starter.pid}`;
}
