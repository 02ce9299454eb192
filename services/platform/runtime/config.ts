/**
 * Config of a service: defaults < file < environment < flags. Strict: an unknown key is an error that names what was
 * probably meant. Parsed once, frozen.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { TerminalError, errorFrom } from '../errors.ts';
import { prototypeKeys } from '../files/prototype-keys.ts';
import { utf8Text } from '../files/parse-json.ts';
import { parseYamlDocument } from '../files/yaml-document.ts';
import { oidcField } from '../security/oidc-fields.ts';
import { auditFileField, natsCredentialsField, requestRateField, tlsField } from '../security/security-fields.ts';
import { logLevels } from '../telemetry/logging.ts';
import { configFields, shapeOf, valueFromText } from './config-fields.ts';
import type { ConfigField } from './config-fields.ts';
import { firstOf, shortText, showValue } from '../text/show-value.ts';
import { suggest } from './suggest.ts';

/** Problems that are reported one by one; more are counted. */
const mostProblems = 20;

/** `host:port` of a server that a service offers. */
export const bindAddress = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^\s:[\]]+):\d{1,5}$/, 'must be host:port, for example 127.0.0.1:0')
  .refine((address) => Number(address.slice(address.lastIndexOf(':') + 1)) < 65_536, 'the port must be below 65536');

/** What every service has; extend it: `baseConfig.extend({ … })`. */
export const baseConfig = z.strictObject({
  grpc: bindAddress.default('127.0.0.1:0').describe('Where gRPC is served, host:port; port 0 takes any free one.'),
  metrics: bindAddress.default('127.0.0.1:0').describe('Where /metrics and /healthz are served over HTTP, host:port.'),
  logLevel: z.enum(logLevels).default('info').describe('Least severe level that is logged.'),
  otlpEndpoint: z
    .url({ protocol: /^https?$/, error: 'must be a URL, for example http://127.0.0.1:4317' })
    .optional()
    .describe('OTLP gRPC endpoint that traces are sent to; no traces when absent.'),
  otlpRatio: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe(
      'Share of traces that is recorded, 0 to 1; the same in all services. Training steps are recorded whatever it is.',
    ),
  drainMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(10_000)
    .describe('Longest time that work under way may take to finish when the service stops, in milliseconds.'),
  tls: tlsField,
  nats: natsCredentialsField,
  auditFile: auditFileField,
  oidc: oidcField,
  requestRate: requestRateField,
  insecureRemote: z
    .boolean()
    .default(false)
    .describe(
      'Serve and connect beyond loopback without certificates: anyone who reaches a port may do anything. Only where the network itself is trusted.',
    ),
  allowedHosts: z
    .array(z.string().min(1).max(253))
    .max(64)
    .default([])
    .describe(
      'Names besides localhost under which the HTTP servers (/metrics, /healthz and those of the service) may be reached, and ' +
        'hosts of web pages that may ask them, without ports. Addresses need not be listed.',
    ),
});
export type BaseConfig = z.infer<typeof baseConfig>;

export interface ConfigSources {
  /** YAML or JSON. */
  readonly file?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Flags, without the program's name; `--config FILE` names the file. */
  readonly argv?: readonly string[] | undefined;
}

type Tree = Record<string, unknown>;

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(message: string, details: Record<string, unknown> = {}): TerminalError {
  return new TerminalError('invalid_argument', message, { details });
}

function didYouMean(word: string, candidates: Iterable<string>): string {
  const guess = suggest(word, candidates);
  return guess === undefined ? '' : `; did you mean '${guess}'?`;
}

export function loadConfig<C>(schema: z.ZodType<C>, sources: ConfigSources): C {
  const fields = configFields(schema);
  const flags = parseFlags(fields, sources.argv ?? []);
  const file = flags.file ?? sources.file ?? sources.env?.['GRADUS_CONFIG'];
  const tree = file === undefined ? {} : readTree(file);
  /** Where the value of a key was set, for messages. */
  const origins = new Map<string, string>();

  function set(field: ConfigField, text: string, origin: string): void {
    let at = tree;
    for (const part of field.path.slice(0, -1)) {
      const child = at[part];
      at = isTree(child) ? child : (at[part] = {});
    }
    const last = field.path.at(-1);
    if (last !== undefined) at[last] = valueFromText(field.kind, text);
    origins.set(field.key, origin);
  }

  if (sources.env !== undefined) {
    checkVariables(fields, sources.env);
    for (const field of fields) {
      const text = sources.env[field.variable];
      if (text !== undefined && text !== '') set(field, text, `environment variable ${field.variable}`);
    }
  }
  for (const { field, text } of flags.values) set(field, text, `flag ${field.flag}`);

  const lost = prototypeKeys(tree).map((path) => `${path.join('.')}: cannot be a name; choose another`);
  if (lost.length > 0) throw invalidConfig(lost);
  const parsed = schema.safeParse(tree);
  if (!parsed.success) throw schemaError(schema, fields, tree, origins, file, parsed.error);
  return deepFreeze(parsed.data);
}

function readTree(file: string): Tree {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new TerminalError('not_found', `config file '${file}' cannot be read; check the path after --config`, {
      cause,
    });
  }
  const parsed = parseConfig(utf8Text(bytes, file), file);
  if (parsed === null || parsed === undefined) return {};
  if (!isTree(parsed)) throw invalid(`config file '${file}' must hold keys and values, not a list or a single value`);
  return structuredClone(parsed);
}

function parseConfig(text: string, file: string): unknown {
  try {
    // JSON is YAML.
    return parseYamlDocument(text, file).value;
  } catch (cause) {
    throw new TerminalError(
      'invalid_argument',
      `config file '${file}' is not valid YAML: ${errorFrom(cause).message}`,
      {
        cause,
      },
    );
  }
}

function parseFlags(
  fields: readonly ConfigField[],
  argv: readonly string[],
): { file: string | undefined; values: { field: ConfigField; text: string }[] } {
  const byFlag = new Map(fields.map((field) => [field.flag, field]));
  const values: { field: ConfigField; text: string }[] = [];
  let file: string | undefined;
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? '';
    const [name = '', ...rest] = argument.split('=');
    const inline = argument.includes('=') ? rest.join('=') : undefined;
    if (!name.startsWith('--'))
      throw invalid(`unexpected argument '${shortText(argument)}'; settings are given as --name VALUE`);
    const field = byFlag.get(name);
    const negated = name.startsWith('--no-') ? byFlag.get(`--${name.slice('--no-'.length)}`) : undefined;
    const next = (): string => {
      index += 1;
      const value = argv[index];
      if (value === undefined) throw invalid(`flag ${name} needs a value`);
      return value;
    };
    if (field !== undefined) {
      const followed = argv[index + 1] === 'true' || argv[index + 1] === 'false';
      const text = inline ?? (field.kind.kind === 'boolean' && !followed ? 'true' : next());
      values.push({ field, text });
    } else if (name === '--config') file = inline ?? next();
    else if (negated?.kind.kind === 'boolean' && inline === undefined) values.push({ field: negated, text: 'false' });
    else
      throw invalid(`unknown flag '${shortText(name)}'${didYouMean(name, [...byFlag.keys(), '--config'])}`, {
        flag: name,
      });
  }
  return { file, values };
}

/**
 * One environment may serve a whole fleet, so a variable that belongs to another service is not an error. One that is
 * nearly ours is a slip of the pen.
 */
function checkVariables(fields: readonly ConfigField[], env: NodeJS.ProcessEnv): void {
  const ours = new Set(fields.map((field) => field.variable));
  for (const variable of Object.keys(env)) {
    if (!variable.startsWith('GRADUS_') || ours.has(variable)) continue;
    const name = variable.slice('GRADUS_'.length);
    // Short names are close to many others by accident.
    if (name.length < 6) continue;
    const near = [...ours].find((known) => isSlip(name, known.slice('GRADUS_'.length)));
    if (near !== undefined) {
      throw invalid(`unknown environment variable ${shortText(variable)}; did you mean '${near}'?`, { variable });
    }
  }
}

/** One letter wrong, missing or too many, or two neighbours swapped; a plural is another name. */
function isSlip(name: string, known: string): boolean {
  if (name === `${known}S` || known === `${name}S`) return false;
  let first = 0;
  while (first < name.length && name[first] === known[first]) first += 1;
  const a = name.slice(first);
  const b = known.slice(first);
  const swapped = a[0] === b[1] && a[1] === b[0] && a.slice(2) === b.slice(2);
  return swapped || a.slice(1) === b.slice(1) || a.slice(1) === b || a === b.slice(1);
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  return typeof value === 'string' ? `'${shortText(value)}'` : showValue(value);
}

function schemaError(
  schema: z.ZodType,
  fields: readonly ConfigField[],
  tree: Tree,
  origins: ReadonlyMap<string, string>,
  file: string | undefined,
  error: z.ZodError,
): TerminalError {
  const lines = error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    const key = path.join('.');
    const field = fields.find((candidate) => key === candidate.key || key.startsWith(`${candidate.key}.`));
    const origin = origins.get(field?.key ?? key) ?? (file === undefined ? 'config' : `file ${file}`);
    if (issue.code === 'unrecognized_keys') {
      const known = Object.keys(shapeAt(schema, path) ?? {});
      // One more than is reported, so that the others are counted.
      return issue.keys.map((unknown, at) => {
        if (at > mostProblems) return '';
        const full = [...path, unknown].join('.');
        return `${shortText(full)}: unknown key (${origin})${didYouMean(unknown, known)}`;
      });
    }
    const value = path.reduce<unknown>(
      (at, part) => (isTree(at) || Array.isArray(at) ? Reflect.get(at, part) : undefined),
      tree,
    );
    const shown = field?.secret === true ? '***' : show(value);
    const hint = field === undefined || field.description === '' ? '' : ` — ${field.description}`;
    return [
      value === undefined
        ? `${key}: missing; set ${field?.flag ?? key}, ${field?.variable ?? ''} or '${key}' in the file${hint}`
        : `${key}: ${issue.message}, got ${shown} (${origin})${hint}`,
    ];
  });
  return invalidConfig(lines);
}

function invalidConfig(problems: readonly string[]): TerminalError {
  const issues = firstOf(problems, mostProblems);
  return new TerminalError('invalid_argument', `invalid config:\n  ${issues.join('\n  ')}`, { details: { issues } });
}

function shapeAt(
  schema: z.core.$ZodType,
  path: readonly string[],
): Readonly<Record<string, z.core.$ZodType>> | undefined {
  const shape = shapeOf(schema);
  const [head, ...rest] = path;
  if (head === undefined || shape === undefined) return shape;
  const child = shape[head];
  return child === undefined ? undefined : shapeAt(child, rest);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
