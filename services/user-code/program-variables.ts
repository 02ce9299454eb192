/** What a program needs to run at all. */
const needed = /^(PATH|HOME|LANG|LC_[A-Z]+|TZ|TMPDIR|VIRTUAL_ENV|LD_LIBRARY_PATH|PYTHON[A-Z]*)$/;

/** The environment of a process of users' code: what a program needs, and what it is granted by name. */
export function programVariables(variables: NodeJS.ProcessEnv, granted: readonly string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(variables).filter(([key]) => needed.test(key) || granted.includes(key)));
}
