/** What requests of several dialects have alike. */
import { z } from 'zod';
import type { TerminalError } from '#platform/errors.ts';
import type { CallMessage } from '../agent-call.ts';
import { refusal } from '../refusal.ts';
import type { CallRules } from './dialect.ts';

/** Accepted with the values that mean what is done anyway. */
export const only = <T extends string | number | boolean>(...values: [T, ...T[]]) =>
  z.literal(values, { error: ({ input }) => `${JSON.stringify(input)} is not served; leave it out` }).nullish();

/** A note of the client, which changes no answer. */
export const note = z.unknown().optional();

/** A list, which may be given as one text: the field of what is wrong in it has its place then. */
export const listOrText = <T extends z.ZodType>(each: T, ofText: (text: string) => object, least = 0) =>
  z.preprocess((given) => (typeof given === 'string' ? [ofText(given)] : given), z.array(each).min(least));

/** How many turns a call may want at once: each is a branch of the rollout. */
const samples = z.int().min(1).max(16).nullish();

/** OpenAI's `tool_choice`. That the model must call a tool is `forced`. */
export const toolChoice = z
  .union(
    [z.enum(['auto', 'none', 'required']), z.object({ type: z.literal('function') })],
    'is not served; leave it out',
  )
  .transform((choice) => (choice === 'auto' || choice === 'none' ? choice : 'forced'))
  .nullish();

const unread = z.unknown().optional();

/** Fields that say how is sampled, which is the recipe's to say. */
export function samplingFields<Name extends string>(...names: readonly Name[]): Record<Name, typeof unread> {
  // Each name has one, and no other.
  return Object.fromEntries(names.map((name) => [name, unread])) as Record<Name, typeof unread>;
}

/** Of OpenAI's completions, of chats and of texts alike. */
export const openAiFields = {
  model: z.string().min(1),
  n: samples,
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  // vLLM's name for it.
  return_token_ids: z.boolean().nullish(),
};
export const openAiSampling = samplingFields(
  'temperature',
  'top_p',
  'seed',
  'stop',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
);

/** A bound of the turn's tokens, which holds where it is not below the recipe's. */
export const tokenBound = z.int().min(1).nullish();

interface Rules extends CallRules {
  /** Names of the fields that say how is sampled. */
  readonly samplingNames: readonly string[];
  /** Of those that bound the turn's tokens. */
  readonly boundNames: readonly string[];
}

/** Throws a refusal that names the first field that is wrong. */
export function parseRequest<T extends z.ZodType>(schema: T, body: unknown, rules: Rules): z.output<T> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw refusalOf(parsed.error);
  if (rules.sampling === 'ignored') return parsed.data;
  const values = new Map<string, unknown>(Object.entries(Object(parsed.data)));
  const set = rules.samplingNames.find((name) => (values.get(name) ?? undefined) !== undefined);
  const or = 'leave it out, or set the option `sampling: ignored`';
  if (set !== undefined) {
    throw refusal('unsupported_parameter', `${set}: the recipe says how is sampled; ${or}`, set);
  }
  if (values.get('tool_choice') === 'forced') {
    throw refusal('invalid_value', `tool_choice: the model is free to call a tool or not; ${or}`, 'tool_choice');
  }
  const { maxNewTokens = 0 } = rules;
  const low = rules.boundNames.find((name) => Number(values.get(name) ?? maxNewTokens) < maxNewTokens);
  if (low !== undefined) {
    const message = `${low}: ${String(values.get(low))} is less than the recipe's max_new_tokens, ${maxNewTokens}, which is what holds; ask for that or more, ${or}`;
    throw refusal('unsupported_value', message, low);
  }
  return parsed.data;
}

function refusalOf({ issues }: z.ZodError): TerminalError {
  const [first] = issues;
  if (first?.code === 'unrecognized_keys') {
    const name = fieldAt([...first.path, first.keys[0] ?? '']);
    return refusal('unsupported_parameter', `${name}: is not served; leave it out`, name);
  }
  const param = fieldAt(first?.path ?? []);
  return refusal('invalid_value', `${param === '' ? 'body' : param}: ${first?.message ?? ''}`, param);
}

function fieldAt(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (field, part) =>
      typeof part === 'number' ? `${field}[${part}]` : `${field}${field === '' ? '' : '.'}${String(part)}`,
    '',
  );
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
