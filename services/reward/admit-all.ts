import type { AdmissionTicket } from './judge/admission.ts';

/** A judge or a custom scorer, before whom a queue stands. */
export interface Admitting {
  admit(count: number): AdmissionTicket;
}

export interface Tickets extends Disposable {
  /** One of them is answered. */
  done(by: Admitting): void;
}

/** Room with everybody for all of a call, or none of it. `TransientError` resource_exhausted when there is none. */
export function admitAll(counts: Iterable<readonly [Admitting, number]>): Tickets {
  const tickets = new Map<Admitting, AdmissionTicket>();
  const dispose = (): void => {
    for (const ticket of tickets.values()) ticket[Symbol.dispose]();
  };
  try {
    for (const [by, count] of counts) tickets.set(by, by.admit(count));
  } catch (error) {
    dispose();
    throw error;
  }
  return { done: (by) => tickets.get(by)?.done(), [Symbol.dispose]: dispose };
}
