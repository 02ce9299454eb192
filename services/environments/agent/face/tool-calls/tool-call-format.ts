import type { ChatPart } from '#chat/conversation.ts';

/** A call as a model writes it: no id yet. */
export interface WrittenCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** How models write calls of tools: one file each, and a line in `index.ts`. */
export interface ToolCallFormat {
  /** Whether a text may hold a call of this format. */
  isIn(said: string): boolean;
  /** What is no call, and the calls. What cannot be read as a call stays text. Takes time linear in the text. `tools` are in JSON schema. */
  read(said: string, tools: readonly unknown[]): { readonly text: string; readonly calls: readonly WrittenCall[] };
  /** In the message of a turn that the model itself has not written. `json` are the arguments. */
  write(name: string, json: string): readonly ChatPart[];
}

/** Of a JSON text; undefined for what is none. */
export function objectIn(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    // Checked in the line before.
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

/** `{"name", <key>: {…}}`; no arguments are none. */
export function callIn(json: string, key: string): WrittenCall | undefined {
  const { name, [key]: given = {} } = objectIn(json) ?? {};
  const args = objectIn(JSON.stringify(given) ?? '');
  return typeof name === 'string' && name !== '' && args !== undefined ? { name, arguments: args } : undefined;
}

/** Takes out what stands between two marks and can be read as a call. */
export function readBetween(
  said: string,
  open: string,
  close: string,
  callOf: (inner: string) => WrittenCall | undefined,
): { readonly text: string; readonly calls: readonly WrittenCall[] } {
  const calls: WrittenCall[] = [];
  let rest = '';
  let from = 0;
  for (;;) {
    const start = said.indexOf(open, from);
    const end = start < 0 ? -1 : said.indexOf(close, start);
    if (end < 0) break;
    const call = callOf(said.slice(start + open.length, end));
    const after = end + close.length;
    rest += said.slice(from, call === undefined ? after : start);
    if (call !== undefined) calls.push(call);
    from = after;
  }
  return { text: rest + said.slice(from), calls };
}
