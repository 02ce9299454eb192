/**
 * What sessions and their keys are called. Both begin with the token of the worker that plays the session, so that a gateway knows where a request
 * belongs from its path or its key:
 *
 *     id   <token>-<uuid>
 *     key  gradus-<id>-<secret>
 */
import { randomBytes, randomUUID } from 'node:crypto';

const uuid = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const idPattern = new RegExp(`^([0-9a-f]{16})-${uuid}$`);
const keyPattern = new RegExp(`^gradus-([0-9a-f]{16}-${uuid})-[0-9a-f]{32}$`);

/** Of a worker; no secret. */
export function createWorkerToken(): string {
  return randomBytes(8).toString('hex');
}

export function isWorkerToken(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

export function nameSession(workerToken: string): { readonly id: string; readonly key: string } {
  const id = `${workerToken}-${randomUUID()}`;
  return { id, key: `gradus-${id}-${randomBytes(16).toString('hex')}` };
}

export function workerTokenOf(sessionId: string): string | undefined {
  return idPattern.exec(sessionId)?.[1];
}

export function sessionIdOf(key: string): string | undefined {
  return keyPattern.exec(key)?.[1];
}
