import type { SearchHit } from '../retriever.ts';
import { fromBinary } from '@bufbuild/protobuf';
import { HitsSchema } from '#proto/retrieval/v1/retrieval_pb.ts';

/**
 * One query's hits as the bytes of a `gradus.retrieval.v1.Hits`. Threads hand them over, the cache keeps them and gRPC
 * sends them as they are, so that a hit is encoded once in its life, away from the thread that all calls share. Written
 * by hand, so that search threads need not load what knows all messages.
 */
export type EncodedHits = Uint8Array;

export const noHits: EncodedHits = new Uint8Array();
const firstBytes = 64 * 1024;

/** Field numbers and wire types of `Hit`, as tags. */
const tag = { hits: 0x0a, id: 0x0a, title: 0x12, preview: 0x1a, score: 0x21, parentId: 0x2a, text: 0x32 } as const;

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) length += 1;
  return length;
}

/** Writes lists of hits one behind the other into one buffer that grows, and is used again after `take`. */
export interface HitsWriter {
  /** Bytes written since the last `take`. */
  readonly size: number;
  add(hit: SearchHit): void;
  /** Forgets what was written after the size was this. */
  drop(size: number): void;
  /** A copy of everything written. */
  take(): Uint8Array<ArrayBuffer>;
}

export function createHitsWriter(): HitsWriter {
  let buffer = Buffer.allocUnsafeSlow(firstBytes);
  let view = new DataView(buffer.buffer);
  let at = 0;

  function reserve(more: number): void {
    if (at + more <= buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * buffer.length, at + more));
    buffer.copy(larger, 0, 0, at);
    buffer = larger;
    view = new DataView(buffer.buffer);
  }

  function varint(value: number, position: number): number {
    let end = position;
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) buffer[end++] = (rest % 128) | 128;
    buffer[end++] = rest;
    return end;
  }

  /** Puts the length of what stands at `start + guess .. end` before it; gives the new end. */
  function prefix(start: number, guess: number, end: number): number {
    const length = end - start - guess;
    const needed = varintLength(length);
    if (needed !== guess) buffer.copyWithin(start + needed, start + guess, end);
    varint(length, start);
    return start + needed + length;
  }

  function string(tagByte: number, value: string): void {
    if (value === '') return;
    buffer[at++] = tagByte;
    const guess = varintLength(value.length);
    at = prefix(at, guess, at + guess + buffer.write(value, at + guess));
  }

  return {
    get size() {
      return at;
    },
    add({ id, title, preview, score, parentId, text }) {
      // A UTF-16 unit takes at most 3 bytes; tags and lengths take less than 64.
      reserve(3 * (id.length + title.length + preview.length + parentId.length + text.length) + 64);
      buffer[at++] = tag.hits;
      const start = at;
      // Most hits are 128 bytes to 16 KiB long.
      at += 2;
      string(tag.id, id);
      string(tag.title, title);
      string(tag.preview, preview);
      if (score !== 0) {
        buffer[at] = tag.score;
        view.setFloat64(at + 1, score, true);
        at += 9;
      }
      string(tag.parentId, parentId);
      string(tag.text, text);
      at = prefix(start, 2, at);
    },
    drop(size) {
      at = Math.min(at, size);
    },
    take() {
      const taken = new Uint8Array(at);
      taken.set(buffer.subarray(0, at));
      at = 0;
      // One huge answer should not be paid for with memory forever.
      if (buffer.length > 16 * firstBytes) {
        buffer = Buffer.allocUnsafeSlow(firstBytes);
        view = new DataView(buffer.buffer);
      }
      return taken;
    },
  };
}

export function encodeHits(hits: readonly SearchHit[]): EncodedHits {
  if (hits.length === 0) return noHits;
  const writer = createHitsWriter();
  for (const hit of hits) writer.add(hit);
  return writer.take();
}

export function decodeHits(encoded: EncodedHits): readonly SearchHit[] {
  return encoded.length === 0 ? [] : fromBinary(HitsSchema, encoded).hits;
}
