import { z } from 'zod';

/** In the `_meta` of a result: what a tool of a user's file threw. */
export const threwKey = 'gradus/threw';

export const threwOf = z.object({
  message: z.string(),
  file: z.string(),
  line: z.int().exactOptional(),
  trace: z.string(),
});
export type Threw = z.output<typeof threwOf>;
