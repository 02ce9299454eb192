import { engineKinds } from '#engines/index.ts';
import type { ServiceName } from '#fleet/service-programs.ts';
import { TerminalError } from '#platform/errors.ts';
import { baseConfig } from '#platform/runtime/config.ts';
import { configFields } from '#platform/runtime/config-fields.ts';
import { suggest } from '#platform/runtime/suggest.ts';

const kinds = engineKinds.map(({ kind }) => kind);

/** Flags that name a server: `--KIND URL` for every kind of inference server. */
export const serverFlags = kinds.map((kind) => `--${kind}`);

/**
 * What `gradus serve engine` runs: the built-in engine, or with `--KIND URL` the sidecar of an inference server that exists. Throws
 * TerminalError('invalid_argument') for a kind that is none.
 */
export function engineService(flags: readonly string[]): {
  readonly service: ServiceName;
  readonly flags: readonly string[];
} {
  const words = flags.flatMap((flag) =>
    /^--[\w-]+=/.test(flag) ? [flag.slice(0, flag.indexOf('=')), flag.slice(flag.indexOf('=') + 1)] : [flag],
  );
  const at = words.findIndex((word) => serverFlags.includes(word));
  const [flag = '', url] = words.slice(Math.max(at, 0));
  if (at < 0) {
    refuseUnknownKind(words);
    return { service: 'engine', flags };
  }
  if (url === undefined || url.startsWith('--'))
    throw new TerminalError(
      'invalid_argument',
      `serve engine: ${flag} needs the URL of the server, for example ${flag} http://127.0.0.1:8000`,
    );
  return { service: 'engine-sidecar', flags: ['--kind', flag.slice(2), '--server', url, ...words.toSpliced(at, 2)] };
}

/** Flags of every service, some of which take a URL, too. */
const everyService = configFields(baseConfig).map(({ flag }) => flag);

/** A URL that no flag of a service takes is that of a server, whose kind is not one of ours. */
function refuseUnknownKind(words: readonly string[]): void {
  const flag = words.find(
    (word, index) => word.startsWith('--') && !everyService.includes(word) && /^https?:/.test(words[index + 1] ?? ''),
  );
  if (flag === undefined) return;
  const meant = suggest(flag.slice(2), kinds);
  const help = meant === undefined ? `kinds: ${kinds.join(', ')}` : `did you mean --${meant}?`;
  throw new TerminalError('invalid_argument', `serve engine: ${flag} is no kind of inference server; ${help}`);
}

/** Said before the help of the built-in engine. */
export const serverHelp = [
  ...engineKinds.map(
    ({ kind, about }) => `  --${kind} <URL>  In its place the sidecar of a server that exists. ${about}`,
  ),
  "  With one of these the other flags are those of 'gradus serve engine-sidecar --help'.",
  '',
];
