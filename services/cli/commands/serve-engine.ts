import { engineKinds } from '#engines/index.ts';
import type { ServiceName } from '#fleet/service-programs.ts';
import { TerminalError } from '#platform/errors.ts';
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
    /^--[a-z0-9-]+=/.test(flag) ? [flag.slice(0, flag.indexOf('=')), flag.slice(flag.indexOf('=') + 1)] : [flag],
  );
  const at = words.findIndex((word, index) => serverFlags.includes(word) || /^https?:/.test(words[index + 1] ?? ''));
  const [flag, url] = words.slice(Math.max(at, 0));
  if (at < 0 || flag === undefined) return { service: 'engine', flags };
  const kind = flag.replace(/^--/, '');
  if (!serverFlags.includes(flag)) {
    const meant = suggest(kind, kinds);
    const help = meant === undefined ? `kinds: ${kinds.join(', ')}` : `did you mean --${meant}?`;
    throw new TerminalError('invalid_argument', `serve engine: ${flag} is no kind of inference server; ${help}`);
  }
  if (url === undefined || url.startsWith('--'))
    throw new TerminalError(
      'invalid_argument',
      `serve engine: ${flag} needs the URL of the server, for example ${flag} http://127.0.0.1:8000`,
    );
  return { service: 'engine-sidecar', flags: ['--kind', kind, '--server', url, ...words.toSpliced(at, 2)] };
}

/** Said before the help of the built-in engine. */
export const serverHelp = [
  ...engineKinds.map(
    ({ kind, about }) => `  --${kind} <URL>  In its place the sidecar of a server that exists. ${about}`,
  ),
  "  With one of these the other flags are those of 'gradus serve engine-sidecar --help'.",
  '',
];
