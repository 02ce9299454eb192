/** Bounds of one request, the same through every API. */
export const limits = {
  queries: 256,
  queryBytes: 8 * 1024,
  topK: 1_000,
  defaultTopK: 10,
  ids: 256,
  partCharacters: { least: 100, most: 1_000_000, default: 100_000 },
  hitTextCharacters: 100_000,
  /** Of one answer; below what one gRPC message may be. */
  answerBytes: 48 * 2 ** 20,
} as const;
