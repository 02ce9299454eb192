import type { EndpointMessage } from '#endpoint/chat-client.ts';

/**
 * A conversation as a sequence of ids, and back, without loss: workers and trajectories know sequences, the endpoint knows messages, and
 * nobody here has its tokenizer. An id is a word of four bytes of UTF-8, about as much as a token of a model; what does not fill its last
 * word is padded. Bytes of 248 and more never occur in UTF-8, so the pad and the marks of roles cannot be text.
 */
type Role = EndpointMessage['role'];

const pad = 0xff;
const markBase = 0xfffffe00;
const roles: readonly Role[] = ['system', 'user', 'assistant'];

function markOf(role: Role): number {
  return markBase + roles.indexOf(role);
}

/** Text within a message; empty text is a word of its own, since a turn has at least one id. */
export function encodeText(text: string): number[] {
  const bytes = Buffer.from(text, 'utf8');
  const words = Math.max(1, Math.ceil(bytes.length / 4));
  const padded = Buffer.alloc(words * 4, pad);
  bytes.copy(padded);
  return Array.from({ length: words }, (_, index) => padded.readUInt32BE(index * 4));
}

/** The messages, and the opening of the assistant's next one. */
export function encodeMessages(messages: readonly EndpointMessage[]): number[] {
  return [...messages.flatMap(({ role, content }) => [markOf(role), ...encodeText(content)]), markOf('assistant')];
}

/** The text of words that no mark is among. What a cut left of a character becomes U+FFFD. */
export function decodeText(ids: readonly number[]): string {
  const bytes = Buffer.alloc(ids.length * 4);
  ids.forEach((id, index) => bytes.writeUInt32BE(id >>> 0, index * 4));
  return Buffer.from(bytes.filter((byte) => byte !== pad)).toString('utf8');
}

/**
 * The messages of a sequence. The one that the assistant is about to write is left out; neighbours of one role are one message, as many
 * chat templates want it. Undefined where the ids are no conversation.
 */
export function decodeMessages(ids: readonly number[]): EndpointMessage[] | undefined {
  if (ids.at(-1) !== markOf('assistant')) return undefined;
  const messages: { role: Role; content: string }[] = [];
  let start = 0;
  let role: Role | undefined;
  for (const [index, id] of ids.entries()) {
    const next = roles[id - markBase];
    if (next === undefined) continue;
    if (role === undefined && index > 0) return undefined;
    if (role !== undefined) {
      const content = decodeText(ids.slice(start, index));
      const last = messages.at(-1);
      if (last?.role === role) last.content += `\n${content}`;
      else messages.push({ role, content });
    }
    role = next;
    start = index + 1;
  }
  return messages;
}
