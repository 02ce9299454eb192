import { TerminalError, errorFrom } from '../errors.ts';

/**
 * Parses one value of a file. `invalid_argument` that begins with `place` and says where in the value it is broken, never what stands
 * there: the message may reach somebody who may name a file, and not read it.
 */
export function parseJsonAt(text: string, place: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch (thrown) {
    const position = / at position (\d+)/.exec(errorFrom(thrown).message)?.[1];
    const where = position === undefined ? '' : ` at its character ${Number(position) + 1}`;
    const cut = /end of JSON input/.test(errorFrom(thrown).message) ? '; it is cut off' : '';
    // Without the cause, whose message quotes the text.
    throw new TerminalError('invalid_argument', `${place}: not valid JSON${where}${cut}`);
  }
}

/** The text of a whole file; a BOM is not a part of it. What is not UTF-8 is refused: read as it comes it is another text. */
export function utf8Text(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new TerminalError('invalid_argument', `${file}: not valid UTF-8; save the file as UTF-8`, { cause });
  }
}
