import { TransientError } from '#platform/errors.ts';
import type { ProcessEnd } from '#user-code/user-process.ts';
import { UserCodeError } from '#user-code/user-code-error.ts';

export interface Call {
  /** Of reset, step and close. */
  readonly what: string;
  readonly row: string;
}

export interface Deaths {
  /** What a call that cost its process throws. */
  judge(call: Call, end: ProcessEnd): Error;
  /** A call was answered. */
  survived(): void;
}

/** Ends in a row, without an answered call between them, after which rows make no difference. */
const endsToBlame = 5;
const mostKept = 4096;

/**
 * Decides whose fault the end of a process was. Once, it may have been the machine's: its episodes are lost, and tried again. When the same
 * row ends a process for the same reason a second time, or no call is answered any more, it is the user's code.
 */
export function createDeaths(file: string): Deaths {
  const seen = new Set<string>();
  let inARow = 0;
  return {
    survived() {
      inARow = 0;
    },
    judge({ what, row }, { reason, detail }) {
      const said = `${what} of ${file}, row ${row}: ${detail}`;
      if (reason === 'unavailable') return new TransientError('unavailable', said);
      inARow += 1;
      const cause = `${reason} ${row}`;
      const again = seen.has(cause);
      if (seen.size >= mostKept) seen.clear();
      seen.add(cause);
      if (again) return new UserCodeError(`${said}; it was the second time`, { file });
      if (inARow >= endsToBlame)
        return new UserCodeError(`${said}; ${inARow} processes have ended without one answered call`, { file });
      return new TransientError('unavailable', said);
    },
  };
}
