import { TerminalError } from '#platform/errors.ts';
import { parseYamlDocument } from '#platform/files/yaml-document.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { shortText } from '#platform/text/show-value.ts';

/** One value of a recipe that is given outside of its file: `stages.0.until.steps=2`. */
export interface RecipeSetting {
  /** As it was given. */
  readonly text: string;
  /** Keys, indices of lists, and names of what has one: `stages.tool-use.until.steps`. */
  readonly parts: readonly string[];
  readonly value: unknown;
}

type Path = readonly (string | number)[];

const mostCharacters = 65_536;

/** `PATH=VALUE`, the value in YAML. Throws TerminalError('invalid_argument'). */
export function parseSetting(text: string): RecipeSetting {
  const at = text.indexOf('=');
  const path = text.slice(0, Math.max(0, at)).trim();
  const parts = path.replaceAll(/\[(\d+)\]/g, '.$1').split('.');
  if (text.length > mostCharacters || parts.some((part) => part === '')) {
    throw new TerminalError(
      'invalid_argument',
      `--set ${shortText(text)}: must be PATH=VALUE, for example --set stages.0.until.steps=2`,
    );
  }
  return { text, parts, value: parseYamlDocument(text.slice(at + 1), `--set ${shortText(path)}`).value };
}

export interface AppliedSettings {
  readonly value: unknown;
  /** The setting that a value of the recipe comes from; undefined where its file has it. */
  settingAt(path: Path): RecipeSetting | undefined;
}

/**
 * A recipe's value with what the settings say, the later one where two say something of the same. The value itself stays: parts of it may be
 * one object by an alias of YAML. Throws TerminalError('invalid_argument') with every setting that has no place.
 */
export function applySettings(value: unknown, settings: readonly RecipeSetting[]): AppliedSettings {
  const places: { readonly path: Path; readonly setting: RecipeSetting }[] = [];
  const problems: string[] = [];
  let changed = value;
  for (const setting of settings) {
    const path: (string | number)[] = [];
    try {
      const after = withValue(changed, setting, path);
      places.push({ path: path.slice(0, knownDepth(changed, path) + 1), setting });
      changed = after;
    } catch (thrown) {
      if (!(thrown instanceof NoPlaceError)) throw thrown;
      problems.push(`--set ${shortText(setting.text)}: ${thrown.message}`);
    }
  }
  if (problems.length > 0) throw new TerminalError('invalid_argument', problems.join('\n'), { details: { problems } });
  return {
    value: changed,
    settingAt: (at) => places.findLast(({ path }) => path.every((part, index) => at[index] === part))?.setting,
  };
}

/** How many parts of a path the value has: what lies deeper is there by the setting alone. */
function knownDepth(value: unknown, path: Path): number {
  let at = value;
  for (const [depth, part] of path.entries()) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return depth;
    at = Reflect.get(at, part);
  }
  return path.length;
}

class NoPlaceError extends Error {}

/** `path` gets what the parts mean: a list's index for the name of one of its entries. */
function withValue(at: unknown, { parts, value }: RecipeSetting, path: (string | number)[]): unknown {
  const part = parts[path.length];
  if (part === undefined) return value;
  const inner = (key: string | number, child: unknown): unknown => {
    path.push(key);
    return withValue(child, { text: '', parts, value }, path);
  };
  if (Array.isArray(at)) {
    const list: readonly unknown[] = at;
    const index = indexOf(list, part, parts.slice(0, path.length).join('.'));
    return list.with(index, inner(index, list[index]));
  }
  if (at === undefined || at === null) return { [part]: inner(part, undefined) };
  if (typeof at === 'object')
    return { ...at, [part]: inner(part, Object.hasOwn(at, part) ? Reflect.get(at, part) : undefined) };
  throw new NoPlaceError(`${parts.slice(0, path.length).join('.')} is ${JSON.stringify(at)}, which holds no ${part}`);
}

function indexOf(list: readonly unknown[], part: string, where: string): number {
  const names = list.map(nameOf);
  const index = /^\d+$/.test(part) ? Number(part) : names.indexOf(part);
  if (list[index] !== undefined) return index;
  const known = names.filter((name) => name !== undefined);
  const meant = suggest(part, known);
  const help =
    meant === undefined ? (known.length === 0 ? '' : `, or a name: ${known.join(', ')}`) : `; did you mean ${meant}?`;
  throw new NoPlaceError(
    list.length === 0 ? `${where} is empty` : `${where} has no ${part}; it has 0 to ${list.length - 1}${help}`,
  );
}

function nameOf(entry: unknown): string | undefined {
  const name: unknown = typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'name') : undefined;
  return typeof name === 'string' ? name : undefined;
}
