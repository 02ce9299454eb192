import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { TerminalError } from '#platform/errors.ts';
import { unreadable } from '#platform/files/file-error.ts';
import { describeThrown } from '#user-code/user-code-error.ts';
import { resolveForUsers } from '#user-code/user-imports.ts';
import type { OwnStageKind } from './define-stage-kind.ts';

/** Loads a kind from a file, as it is now. Throws TerminalError that names the file and what is wrong. */
export async function loadStageKind(file: string): Promise<OwnStageKind> {
  const fail = (problem: string, cause?: unknown): TerminalError =>
    new TerminalError('failed_precondition', `${file}: ${problem}`, { cause });
  const stats = await stat(file).catch((thrown: unknown) => {
    throw fail(unreadable(thrown), thrown);
  });
  resolveForUsers('gradus/stage', import.meta.resolve('./define-stage-kind.ts'));
  let exported: { readonly default?: unknown };
  try {
    // A file that was changed is another module.
    exported = await import(`${pathToFileURL(file).href}?changed=${stats.mtimeMs}`);
  } catch (thrown) {
    throw fail(`cannot be loaded: ${describeThrown(thrown)}`, thrown);
  }
  const kind = exported.default;
  if (!isStageKind(kind))
    throw fail(
      'has no kind of stage as its default export; write: export default defineStageKind({ options, next, run })',
    );
  return kind;
}

function isStageKind(value: unknown): value is OwnStageKind {
  const { options, fold, next, run } = Object(value) as Partial<Record<keyof OwnStageKind, unknown>>;
  return (
    typeof Object(options).safeParse === 'function' &&
    typeof next === 'function' &&
    typeof run === 'function' &&
    (fold === undefined || typeof fold === 'function')
  );
}
