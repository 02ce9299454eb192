/**
 * What is said between a worker and the process that plays an environment of a user's file (host.ts), as lines of JSON with ids.
 *
 *     worker                                           host
 *     {op: 'describe'}                              ->
 *                                                   <- {described: {…}}
 *     {op: 'open', options, retrieval?}             ->
 *                                                   <- {opened: {…}}
 *     {op: 'start', episode, row, seed, toolTimeoutMs} ->
 *                                                   <- {prompt}
 *     {op: 'step', episode, turn, toolTimeoutMs}    ->
 *                                                   <- {outcome}
 *     {op: 'cancel', episode}                       ->
 *                                                   <- {done: true}, and the call under way sees its signal abort
 *     {op: 'close', episode, toolTimeoutMs}, {op: 'check'}, {op: 'end'} ->
 *                                                   <- {done: true}
 *
 * In the place of each answer: {threw}, {failed} for errors of the kit, {late}, or {held} from the thread that watches (watch-thread.ts).
 */
import { z } from 'zod';
import { errorCodes } from '#platform/errors.ts';
import { threwReply } from '../kit/threw.ts';
import { type EpisodeRow, type ModelTurn } from '../kit/environment.ts';
import { needs } from '../kit/clients.ts';

/** Longest line of a host: a text that the policy reads. */
export const maxReplyBytes = 4 * 2 ** 20;

export type HostRequest = { readonly id: number } & (
  | { readonly op: 'describe' }
  | { readonly op: 'cancel'; readonly episode: string }
  | Play
);
/** What runs code of the user's. */
export type PlayRequest = { readonly id: number } & Play;

type Play =
  | { readonly op: 'open'; readonly options: unknown; readonly retrieval?: string }
  | { readonly op: 'check' }
  | { readonly op: 'end' }
  | {
      readonly op: 'start';
      readonly episode: string;
      readonly row: EpisodeRow;
      /** A whole number, as text: JSON has no such large ones. */
      readonly seed: string;
      readonly toolTimeoutMs: number;
    }
  | { readonly op: 'step'; readonly episode: string; readonly turn: ModelTurn; readonly toolTimeoutMs: number }
  | { readonly op: 'close'; readonly episode: string; readonly toolTimeoutMs: number };

const names = z.array(z.string());

/** What a definition says of itself, and its environment once it is open. */
const openedReply = z.object({
  id: z.int(),
  opened: z.object({ stop: names, rewards: names, checks: z.boolean() }),
});

export const description = z.object({
  name: z.string(),
  about: z.string(),
  needs: z.array(z.enum(needs)),
  scorers: names,
  rewards: names,
  roles: names,
  primaryMetric: z.string(),
  tags: names,
});
export type Description = z.output<typeof description>;

export const hostReply = z.union([
  z.object({ id: z.int(), described: description }),
  openedReply,
  z.object({ id: z.int(), prompt: z.unknown().refine((value) => value !== undefined) }),
  z.object({ id: z.int(), outcome: z.unknown().refine((value) => value !== undefined) }),
  z.object({ id: z.int(), done: z.literal(true) }),
  threwReply,
  z.object({
    id: z.int(),
    failed: z.object({ code: z.enum(errorCodes), message: z.string(), retryAfterMs: z.number().optional() }),
  }),
  z.object({ id: z.int(), late: z.literal(true) }),
  z.object({ id: z.int(), held: z.object({ ms: z.number(), file: z.string().optional(), line: z.int().optional() }) }),
]);
export type HostReply = z.output<typeof hostReply>;
