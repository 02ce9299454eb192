import { z } from 'zod';

/**
 * The protocol of a scorer's process: lines of JSON on descriptor 3, one request at a time.
 *
 *     process            service
 *     {ready: true}   ->
 *     {failed: TEXT}  ->              and the process ends
 *                     <- {id, episode?, settings} of typescript-host.ts, {id, call} of python_host.py
 *     {id, …}         ->              one of the keys below
 */
export const scorerReply = z.union([
  z.object({ id: z.int(), score: z.number() }),
  /** The settings are sound; asked for without an episode. */
  z.object({ id: z.int(), checked: z.literal(true) }),
  /** NaN or an infinity, which JSON does not have. */
  z.object({ id: z.int(), notFinite: z.string() }),
  z.object({ id: z.int(), noNumber: z.string() }),
  /** Text and trace of an exception. */
  z.object({ id: z.int(), threw: z.string() }),
  z.object({ id: z.int(), badSettings: z.string() }),
  z.object({ id: z.int(), outOfMemory: z.literal(true) }),
]);
export type ScorerReply = z.output<typeof scorerReply>;

export const scorerStart = z.union([z.object({ ready: z.literal(true) }), z.object({ failed: z.string() })]);

/** A reply has a number or some kilobytes of trace. */
export const maxReplyBytes = 1 << 18;
