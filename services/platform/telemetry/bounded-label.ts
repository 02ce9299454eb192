/**
 * Values of a label that a recipe or a server chooses, as the names of tools: the first `most` keep theirs, and each later one is `other`, so
 * that the number of series stays bounded for as long as the process lives.
 */
export function createBoundedLabel(most: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= most) return 'other';
    known.add(value);
    return value;
  };
}
