import type { Nats } from '#platform/nats/connect.ts';
import { onLink } from '#platform/nats/link.ts';
import { subjects } from '#platform/nats/streams.ts';

/** One round trip on a connection that is up, to a process that may be busy; the server answers at once when there is nobody at all. */
const answerMs = 3_000;

/**
 * Answers coordinators of the fleet that leave, while `hasRoom`. Nothing is promised: who answered may die too. Resolves once the
 * server knows of it: a coordinator that is asked to leave as soon as this one serves finds it.
 */
export async function offerSuccession(
  nats: Nats,
  fleetId: string,
  hasRoom: () => boolean,
  signal: AbortSignal,
): Promise<Disposable> {
  const subscription = nats.nc.subscribe(subjects.succession(fleetId), {
    callback: (error, message) => {
      if (error === null && hasRoom()) message.respond();
    },
  });
  await onLink(nats.link, signal, () => nats.nc.flush());
  return { [Symbol.dispose]: () => subscription.unsubscribe() };
}

/** Whether another coordinator of the fleet is there and would take over a run. Not to be asked by one that still offers. */
export async function hasSuccessor(nats: Nats, fleetId: string): Promise<boolean> {
  try {
    await nats.nc.request(subjects.succession(fleetId), undefined, { timeout: answerMs });
    return true;
  } catch (error) {
    nats.log.debug({ err: error }, 'no other coordinator answers');
    return false;
  }
}
