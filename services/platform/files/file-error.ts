import { TerminalError, errorFrom } from '../errors.ts';

/** What was thrown while `path` was read, with the path in front; gradus errors that begin with it stay as they are. */
export function fileError(path: string, thrown: unknown): Error {
  const error = errorFrom(thrown);
  if (!(error instanceof TerminalError) || error.message.startsWith(path)) return error;
  if (error.code === 'not_found') {
    return new TerminalError('not_found', `${path}: there is no such file; check the path`, {
      cause: thrown,
    });
  }
  const code = error.code === 'internal' ? 'invalid_argument' : error.code;
  return new TerminalError(code, `${path}: cannot be read (${error.message})`, { cause: thrown });
}

/** Why a file that somebody named cannot be used, and what to do. */
export function unreadable(thrown: unknown): string {
  return isMissing(thrown) ? 'there is no such file; check the path' : `cannot be read (${errorFrom(thrown).message})`;
}

/** Whether what was thrown says that a file or a folder on its way is not there. */
export function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR');
}
