import type { Batch, BatchAnswer } from './executor.ts';

export type ToThread<D> =
  | { readonly kind: 'open'; readonly generation: number; readonly data: D }
  | { readonly kind: 'close'; readonly generation: number }
  | { readonly kind: 'run'; readonly batch: Batch }
  /** Ends the thread after what was sent before. */
  | { readonly kind: 'end' };

export type FromThread =
  | { readonly kind: 'opened'; readonly generation: number }
  | { readonly kind: 'notOpened'; readonly generation: number; readonly reason: string }
  | { readonly kind: 'closed'; readonly generation: number }
  | { readonly kind: 'answer'; readonly answer: BatchAnswer };
