import { errorFrom } from '#platform/errors.ts';

/** Documented in `gradus --help` and docs/cli.md. */
export const exitCodes = {
  ok: 0,
  /** Something inside broke; the message says what. */
  internal: 1,
  /** A replay that was not the same, as `diff` has it; its output says where. */
  different: 1,
  /** The command line, a recipe or an input file is wrong. */
  usage: 2,
  /** The run ended by an error or a failed gate, and can be resumed; or a stage of it had nothing to learn. */
  runFailed: 3,
  /** A service or NATS is not reachable or did not start. */
  unavailable: 4,
  /** Stopped by Ctrl-C, SIGTERM or `gradus stop`. The run can be resumed. */
  stopped: 130,
} as const;

export function exitCodeOf(thrown: unknown): number {
  const error = errorFrom(thrown);
  switch (error.code) {
    case 'invalid_argument':
    case 'not_found':
    case 'already_exists':
    case 'failed_precondition':
    case 'permission_denied':
    case 'data_loss':
      return exitCodes.usage;
    case 'unavailable':
    case 'resource_exhausted':
    case 'aborted':
    case 'deadline_exceeded':
      return exitCodes.unavailable;
    case 'cancelled':
      return exitCodes.stopped;
    case 'unimplemented':
    case 'internal':
      return exitCodes.internal;
  }
}
