import { startGuardian, type Guardian } from '#platform/runtime/guardian.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import { findContainment, lackingContainment, type Containment } from './containment.ts';

/** What processes of users' code are started with, whatever service starts them. */
export interface UserCodeHost {
  readonly log: Logger;
  readonly guardian: Guardian;
  readonly containment: Containment;
  /** The environment of the service; a process gets from it what it is granted by name. */
  readonly variables: NodeJS.ProcessEnv;
}

/**
 * Gives the host of a service, which is started when it is first asked for: it looks what the system offers and logs what it lacks.
 * Defer what uses it after this, so that its processes have ended when their guardian goes.
 */
export function createUserCodeHost(
  { log, defer }: Pick<ServiceContext, 'log' | 'defer'>,
  variables: NodeJS.ProcessEnv,
): () => Promise<UserCodeHost> {
  let started: Promise<UserCodeHost> | undefined;
  defer("guardian of users' code", async () => (await started)?.guardian.release());
  async function start(): Promise<UserCodeHost> {
    const containment = await findContainment();
    const lacking = lackingContainment(containment);
    if (lacking.length > 0) log.warn({ lacking }, "users' code is bounded less than it could be");
    return { log, guardian: startGuardian(), containment, variables };
  }
  return async () => await (started ??= start());
}

/** What a program needs to run at all. */
const needed = /^(PATH|HOME|LANG|LC_[A-Z]+|TZ|TMPDIR|VIRTUAL_ENV|LD_LIBRARY_PATH|PYTHON[A-Z]*)$/;

/** The environment of a process of users' code: what a program needs, and what it is granted by name. */
export function programVariables(variables: NodeJS.ProcessEnv, granted: readonly string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(variables).filter(([key]) => needed.test(key) || granted.includes(key)));
}
