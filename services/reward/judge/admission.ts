import { TerminalError, TransientError } from '#platform/errors.ts';

/** Room in a judge's queue, held by one request. */
export interface AdmissionTicket extends Disposable {
  /** One of the questions is answered. */
  done(): void;
}

export interface Admission {
  /** Questions that were let in and are not answered. */
  readonly admitted: number;
  /** All or nothing: what was let in is never refused half way. `TransientError` resource_exhausted when there is no room. */
  admit(questions: number): AdmissionTicket;
}

/** At most `limit` questions in the hands of a judge or scorer; `who` names it in messages, and `what` that which it is given. */
export function createAdmission(who: string, limit: number, what = 'questions'): Admission {
  let admitted = 0;
  return {
    get admitted() {
      return admitted;
    },
    admit(questions) {
      if (questions > limit) {
        throw new TerminalError(
          'invalid_argument',
          `${who}: ${questions} ${what} in one call, ${limit} fit (concurrency + queue); send fewer items a call`,
        );
      }
      if (admitted + questions > limit) {
        throw new TransientError(
          'resource_exhausted',
          `${who}: ${admitted} ${what} wait already and ${questions} more do not fit into ${limit}; try again later`,
          { retryAfterMs: 1_000 },
        );
      }
      admitted += questions;
      let left = questions;
      const give = (count: number): void => {
        const given = Math.min(count, left);
        left -= given;
        admitted -= given;
      };
      return { done: () => give(1), [Symbol.dispose]: () => give(left) };
    },
  };
}
