import { CancelledError, TerminalError, TransientError } from '#platform/errors.ts';
import { issuesOf } from '#recipe/zod-issues.ts';
import { showValue } from '#platform/text/show-value.ts';
import { describeThrown } from '#user-code/user-code-error.ts';
import type { OwnStageKind } from './define-stage-kind.ts';
import type { OwnStage } from './schema.ts';

/** The options as the file's schema makes them. Throws TerminalError with every problem. */
export function optionsOf({ options }: OwnStageKind, stage: OwnStage): unknown {
  const parsed = options.safeParse(stage.options, { reportInput: true });
  if (parsed.success) return parsed.data;
  const problems = issuesOf(options, parsed.error, stage.options).map(
    ({ path, message, value }) =>
      `${['options', ...path].join('.')}: ${message}${value === undefined ? '' : ` (got ${showValue(value)})`}`,
  );
  throw new TerminalError('invalid_argument', problems.join('; '));
}

/** Runs code of the user's: what it throws by itself ends the run with the exception, file and line; what the run's own calls throw stays. */
export async function userCode<T>(stage: string, file: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    if (thrown instanceof TerminalError || thrown instanceof TransientError || thrown instanceof CancelledError)
      throw thrown;
    throw new TerminalError(
      'failed_precondition',
      `stage ${stage}: ${file} threw ${describeThrown(thrown)}; correct it, then resume the run`,
      { cause: thrown },
    );
  }
}
