/** What came back for one call. */
export type Reply =
  | { readonly kind: 'answer'; readonly body: Buffer }
  /** `reason` is from a small set: codes, not messages. */
  | { readonly kind: 'failed'; readonly reason: string };

/** A connection that callers share (gRPC) or own (HTTP). It is opened by the first call and again after a break. */
export interface Connection {
  /** `onReply` is called exactly once, never before `call` returns. */
  call(request: Buffer, onReply: (reply: Reply) => void): void;
  /** Fails calls that began before this time of `performance.now()`. */
  expire(before: number): void;
  close(): void;
}
