import { TerminalError } from '../errors.ts';

/** The text of a whole file; a BOM is not a part of it. What is not UTF-8 is refused: read as it comes it is another text. */
export function utf8Text(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new TerminalError('invalid_argument', `${file}: not valid UTF-8; save the file as UTF-8`, { cause });
  }
}
