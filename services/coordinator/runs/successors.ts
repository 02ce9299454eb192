import type { Nats } from '#shared/nats/connect.ts';
import { subjects } from '#shared/nats/streams.ts';

/** One round trip on a connection that is up; nobody at all is told at once by the server. */
const answerMs = 1_000;

/** Answers coordinators of the fleet that leave, while `hasRoom`. Nothing is promised: who answered may die too. */
export function offerSuccession(nats: Nats, fleetId: string, hasRoom: () => boolean): Disposable {
  const subscription = nats.nc.subscribe(subjects.succession(fleetId), {
    callback: (error, message) => {
      if (error === null && hasRoom()) message.respond();
    },
  });
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
