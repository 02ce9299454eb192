/** A file by its content. */
export interface InputContent {
  readonly name: string;
  /** SHA-256, lower-case hex. */
  readonly digest: string;
}

/**
 * Files of the submitter that the server has not, a sentence each. A scorer may have files next to it that differ and decide nothing, but
 * nobody can tell from here: they have to be the same too.
 */
export function missingInputs(submitted: readonly InputContent[], own: readonly InputContent[]): string[] {
  const known = new Map(own.map(({ name, digest }) => [name, digest]));
  return submitted.flatMap(({ name, digest }) => {
    const here = known.get(name);
    if (here === digest) return [];
    const short = digest.slice(0, 12);
    return here === undefined
      ? [`${name}: the server has no such file (yours is sha256 ${short})`]
      : [`${name}: the server has another file (sha256 ${here.slice(0, 12)}, yours is ${short})`];
  });
}
