/** What requests of several dialects have alike. */
import { z } from 'zod';
import type { TerminalError } from '#platform/errors.ts';
import type { CallMessage } from '../agent-call.ts';
import { refusal } from '../refusal.ts';
import type { CallRules } from './dialect.ts';

/** Accepted with the one value that means what is done anyway. */
export const only = <T extends string | number | boolean>(...values: [T, ...T[]]) =>
  z.literal(values, { error: ({ input }) => `${JSON.stringify(input)} is not served; leave it out` }).nullish();

const unread = z.unknown().optional();

/** Fields that say how is sampled, which is the recipe's to say. */
export function samplingFields<Name extends string>(...names: readonly Name[]): Record<Name, typeof unread> {
  // Each name has one, and no other.
  return Object.fromEntries(names.map((name) => [name, unread])) as Record<Name, typeof unread>;
}

export const jsonSchema = z.looseObject({});

/** Throws a refusal that names the first field that is wrong. */
export function parseRequest<T extends z.ZodType>(
  schema: T,
  body: unknown,
  sampling: { readonly [name: string]: unknown },
  rules: CallRules,
): z.output<T> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw refusalOf(parsed.error);
  const values = new Map<string, unknown>(Object.entries(parsed.data as object));
  const set = Object.keys(sampling).find((name) => (values.get(name) ?? undefined) !== undefined);
  if (rules.sampling === 'refused' && set !== undefined) {
    const why = 'the recipe says how is sampled; leave it out, or set the option `sampling: ignored`';
    throw refusal('unsupported_parameter', `${set}: ${why}`, set);
  }
  return parsed.data;
}

function refusalOf({ issues }: z.ZodError): TerminalError {
  const [first] = issues;
  if (first?.code === 'unrecognized_keys') {
    const name = [...first.path, first.keys[0]].join('.');
    return refusal('unsupported_parameter', `${name}: is not served; leave it out`, name);
  }
  const param = (first?.path ?? []).reduce<string>(
    (path, part) => (typeof part === 'number' ? `${path}[${part}]` : `${path}${path === '' ? '' : '.'}${String(part)}`),
    '',
  );
  return refusal('invalid_value', `${param === '' ? 'body' : param}: ${first?.message ?? ''}`, param);
}

/** Throws a refusal where the last of the messages that `at` holds is the model's own. */
export function askedLast(messages: readonly CallMessage[], at: string): readonly CallMessage[] {
  if (messages.at(-1)?.role !== 'assistant') return messages;
  throw refusal('unsupported_value', `${at}: the model cannot go on with a turn that has been said`, at);
}

/** One of them as it stands in a stream: `event` where the dialect names its events. */
export function sentEvent(data: object | string, event?: string): string {
  const text = typeof data === 'string' ? data : JSON.stringify(data);
  return `${event === undefined ? '' : `event: ${event}\n`}data: ${text}\n\n`;
}
