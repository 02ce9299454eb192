import type { ChatMessage } from '#chat/conversation.ts';

/**
 * How a policy writes calls and answers, and how results are written back.
 *
 * | codec  | call                                                | result                              |
 * |--------|-----------------------------------------------------|-------------------------------------|
 * | xml    | `<tool>{"name", "args"}</tool>`                     | `<result> … </result>`              |
 * | hermes | `<tool_call>{"name", "arguments"}</tool_call>`      | `<tool_response> … </tool_response>`|
 *
 * Both answer with `<answer>…</answer>`.
 */
export const codecNames = ['xml', 'hermes'] as const;
export type CodecName = (typeof codecNames)[number];

/**
 * What becomes of `<think> … </think>` in front of a call or an answer. Training keeps it whatever is chosen: it was sampled.
 *
 * | rule      | the environment   | scorers read the turn |
 * |-----------|-------------------|-----------------------|
 * | violation | takes no such turn | as it was written    |
 * | allowed   | reads past it     | as it was written     |
 * | stripped  | reads past it     | without it            |
 */
export const thoughtRules = ['violation', 'allowed', 'stripped'] as const;
export type ThoughtRule = (typeof thoughtRules)[number];

/** Tags of every format. */
const formatTagNames = ['tool', 'tool_call', 'answer', 'result', 'tool_response', 'think'] as const;
export const formatTags: readonly string[] = formatTagNames.flatMap((name) => [`<${name}>`, `</${name}>`]);
const formatTag = new RegExp(`<(?=/?(?:${formatTagNames.join('|')})>|\\|)`, 'g');

/** How a turn can break the format. */
export type ViolationCode =
  | 'no_action'
  | 'broken_xml'
  | 'broken_json'
  | 'unknown_tool'
  | 'bad_arguments'
  | 'empty_answer'
  | 'two_actions'
  | 'many_answers'
  | 'think';

export type ParsedTurn =
  | { readonly kind: 'call'; readonly name: string; readonly args: Readonly<Record<string, unknown>> }
  | { readonly kind: 'answer'; readonly text: string }
  | { readonly kind: 'violation'; readonly code: ViolationCode };

export interface Codec {
  readonly name: CodecName;
  readonly stop: readonly string[];
  /** Total: any text gives a value. Reads in time linear in the text. */
  parse(text: string): ParsedTurn;
  /** What scorers read of a turn, where that is not what was written. */
  visible(text: string): string | undefined;
  renderCall(name: string, args: Readonly<Record<string, string>>): string;
  renderAnswer(text: string): string;
  /** Text of the outside world: tags in it lose their meaning. */
  renderResult(text: string): string;
  /** The same as a message of a chat, whose template may have marks of its own for results. */
  resultMessage(text: string): ChatMessage;
}

interface Spelling {
  readonly call: string;
  readonly args: string;
  readonly result: string;
  /** Who says a result in a chat. Templates of models that speak Hermes put the tags around what a tool says. */
  readonly resultRole: 'user' | 'tool';
}

const spellings: Readonly<Record<CodecName, Spelling>> = {
  xml: { call: 'tool', args: 'args', result: 'result', resultRole: 'user' },
  hermes: { call: 'tool_call', args: 'arguments', result: 'tool_response', resultRole: 'tool' },
};

/** A call longer than this is broken, whatever it says: no tool takes as much. UTF-16 units. */
const longestCall = 32_768;

/** End-of-sequence tokens that a tokenizer may show as text at the end of a turn. */
const endMarkers = ['<|end|>', '<|im_end|>', '<|endoftext|>'] as const;

export function createCodec(name: CodecName, thoughts: ThoughtRule = 'violation'): Codec {
  const spelling = spellings[name];
  const call = tagsOf(spelling.call);
  const answer = tagsOf('answer');
  const result = tagsOf(spelling.result);
  return {
    name,
    stop: [call.close, answer.close],
    parse: (text) => {
      const written = withoutEndMarker(text);
      const isCall = quotedCall(written, call)?.before.trim() === '';
      const spoken = thoughts === 'violation' || isCall ? written : withoutThought(written);
      return parseTurn(spoken, call, answer, result, spelling.args);
    },
    visible: (text) => (thoughts === 'stripped' ? withoutThought(text) : undefined),
    renderCall: (tool, args) =>
      `${call.open}{"name": ${JSON.stringify(tool)}, "${spelling.args}": ${renderArgs(args)}}${call.close}`,
    renderAnswer: (text) => `${answer.open} ${text}${answer.close}`,
    renderResult: (text) => `${result.open} ${neutralise(text)} ${result.close}`,
    resultMessage(text) {
      const inner = { text: neutralise(text) };
      if (spelling.resultRole === 'tool') return { role: 'tool', content: [inner] };
      const tag = (mark: string) => ({ text: mark, trusted: true });
      return { role: 'user', content: [tag(`${result.open} `), inner, tag(` ${result.close}`)] };
    },
  };
}

/**
 * Text from outside cannot act: neither the tags of any format nor special tokens (`<|…|>`) survive in it, since a
 * tokenizer may have them as single tokens.
 */
export function neutralise(text: string): string {
  return text.replace(formatTag, '&lt;');
}

/** The first `limit` UTF-16 units of a text. A cut is said, never silent: the policy can know that there is more. */
export function cutText(text: string, limit: number): string {
  return text.length <= limit ? text : markCut(text.slice(0, limit).toWellFormed(), limit, text.length);
}

export function markCut(kept: string, limit: number, length: number): string {
  return `${kept} [cut: ${limit} of ${length} characters]`;
}

/** A turn without the stop that ended it. */
export function withoutStop(text: string, stop: readonly string[]): string {
  const end = stop.find((one) => text.endsWith(one));
  return end === undefined ? text : text.slice(0, -end.length);
}

interface Tags {
  readonly open: string;
  readonly close: string;
}

function tagsOf(name: string): Tags {
  return { open: `<${name}>`, close: `</${name}>` };
}

/** A turn as people read it, without the token that ended it. */
export function withoutEndMarker(text: string): string {
  let rest = text.trimEnd();
  for (;;) {
    const marker = endMarkers.find((end) => rest.endsWith(end));
    if (marker === undefined) return rest;
    rest = rest.slice(0, -marker.length).trimEnd();
  }
}

function withoutThought(text: string): string {
  return splitThought(text).said;
}

/** One thought, at the beginning, and what is said after it. A template may have opened the thought already, so that the turn only closes it. */
export function splitThought(text: string): { readonly thought: string; readonly said: string } {
  const end = text.indexOf('</think>');
  const begin = text.indexOf('<think>');
  const isThought = end >= 0 && (begin < 0 || (begin < end && text.slice(0, begin).trim() === ''));
  if (!isThought) return { thought: '', said: text };
  const thought = text.slice(begin < 0 ? 0 : begin + '<think>'.length, end).trim();
  return { thought, said: text.slice(end + '</think>'.length).trimStart() };
}

function violation(code: ViolationCode): ParsedTurn {
  return { kind: 'violation', code };
}

/**
 * A turn that ends with a call whose JSON holds tags in its strings, as a query about them does: there they are text. Undefined for
 * any other turn. Two calls are no JSON together.
 */
function quotedCall(text: string, call: Tags): { readonly before: string; readonly body: string } | undefined {
  const start = text.indexOf(call.open);
  const end = text.lastIndexOf(call.close);
  if (start < 0 || end < start || text.slice(end + call.close.length).trim() !== '') return undefined;
  const body = text.slice(start + call.open.length, end).trim();
  const isQuoted =
    body.length <= longestCall && formatTags.some((tag) => body.includes(tag)) && recordIn(body) !== undefined;
  return isQuoted ? { before: text.slice(0, start), body } : undefined;
}

function parseTurn(written: string, call: Tags, answer: Tags, result: Tags, argsKey: string): ParsedTurn {
  const quoted = quotedCall(written, call);
  // What stands in front is read as with any other call.
  const text = quoted === undefined ? written : `${quoted.before}${call.open}${call.close}`;
  const count = (part: string): number => countOf(text, part);
  if (count('<think>') + count('</think>') > 0) return violation('think');
  const answers = Math.max(count(answer.open), count(answer.close));
  const calls = Math.max(count(call.open), count(call.close));
  if (answers > 1) return violation('many_answers');
  if (answers + calls > 1) return violation('two_actions');
  // A policy that writes results itself invents what the tools said.
  if (count(result.open) + count(result.close) > 0) return violation('broken_xml');
  if (answers + calls === 0) return violation('no_action');
  const tags = answers === 1 ? answer : call;
  const start = text.indexOf(tags.open);
  const end = text.indexOf(tags.close);
  if (start < 0 || end < start || text.slice(end + tags.close.length).trim() !== '') return violation('broken_xml');
  const body = text.slice(start + tags.open.length, end).trim();
  if (tags === call) return parseCall(quoted?.body ?? body, argsKey);
  return body === '' ? violation('empty_answer') : { kind: 'answer', text: body };
}

function countOf(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count += 1;
  return count;
}

/** Keys and the name are trimmed: tokenizers of the nano kind put a space in front of a word after a tag. */
function parseCall(body: string, argsKey: string): ParsedTurn {
  if (body.length > longestCall) return violation('broken_json');
  const call = recordIn(body);
  if (call === undefined) return violation('broken_json');
  const { name, [argsKey]: rawArgs, ...rest } = call;
  const args = recordOf(rawArgs);
  if (typeof name !== 'string' || args === undefined || Object.keys(rest).length > 0) return violation('bad_arguments');
  return { kind: 'call', name: name.trim(), args };
}

/** Of a JSON object; undefined for what is none, which is an expected outcome here: the policy hears of it. */
function recordIn(body: string): Record<string, unknown> | undefined {
  try {
    return recordOf(JSON.parse(body));
  } catch {
    return undefined;
  }
}

/** An object with trimmed keys; undefined for anything else, and when trimming makes two keys one. */
function recordOf(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [key.trim(), item]);
  const record = Object.fromEntries(entries);
  return Object.keys(record).length === entries.length ? record : undefined;
}

function renderArgs(args: Readonly<Record<string, string>>): string {
  return `{${Object.entries(args)
    .map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`)
    .join(', ')}}`;
}
