import { z } from 'zod';
import { threwReply } from '../kit/threw.ts';

const said = z.union([
  z.string(),
  z.array(z.object({ role: z.enum(['system', 'user', 'assistant', 'tool']), content: z.string() })),
]);
/** Text, or messages. */
export type Said = z.output<typeof said>;

const numbers = z.record(z.string(), z.number());

const stepped = z.object({
  id: z.int(),
  text: said,
  done: z.boolean(),
  rewards: numbers,
  metrics: numbers,
  prediction: z.string().optional(),
});
export type Stepped = z.output<typeof stepped>;

/** Replies of host.py to {op: 'step'}, 'start' and 'close'. */
export const hostReply = z.union([
  stepped,
  z.object({ id: z.int(), text: said }),
  z.object({ id: z.int(), closed: z.literal(true) }),
  threwReply,
]);
export type HostReply = z.output<typeof hostReply>;
