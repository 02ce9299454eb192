import { createHash } from 'node:crypto';

/** How long a model is said to think about a turn of a session: the same for every system that is measured. */
export function delayMs(session: string, turn: number, { least, most }: DelayRange): number {
  const share = createHash('sha256').update(`${session}:${turn}`).digest().readUInt32BE() / 2 ** 32;
  return Math.round(least + share * (most - least));
}

export interface DelayRange {
  readonly least: number;
  readonly most: number;
}

/** `LEAST..MOST`, milliseconds. */
export function parseRange(text: string): DelayRange {
  const [least = NaN, most = NaN] = text.split('..').map(Number);
  if (!(least >= 0 && most >= least)) throw new Error(`'${text}' is no range of milliseconds, such as 10000..30000`);
  return { least, most };
}

/** A call of the one tool, and the answer, which is the last turn. Either says how long it took, so that a client can subtract that. */
export function lookupCall(turn: number, tookMs: number): { readonly name: string; readonly arguments: string } {
  return { name: 'lookup', arguments: JSON.stringify({ page: `${turn}`, took: tookMs }) };
}

export function answerText(tookMs: number): string {
  return `It took ${tookMs} ms.`;
}
