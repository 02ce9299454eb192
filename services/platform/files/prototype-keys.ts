/** Schemas leave out the first without a word, since writing it would change what an object is; of the second every object has one. */
const reserved = ['__proto__', 'constructor'];

/** Where a value from outside has keys of its own that no object can keep, or be asked for safely. Nobody means such a name. */
export function prototypeKeys(value: unknown, most = 20): readonly (readonly (string | number)[])[] {
  const found: (readonly (string | number)[])[] = [];
  const seen = new Set<object>();
  const open: { readonly value: unknown; readonly path: Path | undefined }[] = [{ value, path: undefined }];
  for (let next = open.pop(); next !== undefined && found.length < most; next = open.pop()) {
    const { value: at, path } = next;
    if (typeof at !== 'object' || at === null || seen.has(at)) continue;
    seen.add(at);
    for (const part of reserved) if (Object.hasOwn(at, part)) found.push(partsOf({ part, parent: path }));
    const isList = Array.isArray(at);
    for (const [key, child] of Object.entries(at)) {
      if (typeof child === 'object' && child !== null && key !== '__proto__')
        open.push({ value: child, path: { part: isList ? Number(key) : key, parent: path } });
    }
  }
  return found;
}

interface Path {
  readonly part: string | number;
  readonly parent: Path | undefined;
}

function partsOf(last: Path): (string | number)[] {
  const parts: (string | number)[] = [];
  for (let at: Path | undefined = last; at !== undefined; at = at.parent) parts.push(at.part);
  return parts.reverse();
}
