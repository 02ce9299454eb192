import { TerminalError, errorFrom } from '#platform/errors.ts';
import { checkRoots } from '#platform/files/check-roots.ts';
import type { CheckedRequest } from './check-request.ts';

/**
 * Before anything that a request names is read or written: every path has to lie under one of `roots`, if there are any. Throws
 * TerminalError('permission_denied') with all that do not; it says nothing of what is there.
 */
export async function checkPaths(
  { resolved, directory }: Pick<CheckedRequest, 'resolved' | 'directory'>,
  roots: readonly string[],
): Promise<void> {
  const named: readonly (readonly [string, string])[] = [
    ['directory', directory],
    ...Object.entries(resolved.paths).flatMap(([name, value]: [string, string | Readonly<Record<string, string>>]) =>
      typeof value === 'string'
        ? [[`paths.${name}`, value] as const]
        : Object.entries(value).map(([inner, path]) => [`paths.${name}.${inner}`, path] as const),
    ),
  ];
  const problems: string[] = [];
  for (const [field, path] of named) {
    try {
      await checkRoots(field, path, roots);
    } catch (thrown) {
      problems.push(errorFrom(thrown).message);
    }
  }
  if (problems.length > 0) throw new TerminalError('permission_denied', problems.join('; '));
}
