import type { ServerRequest } from '../kit/engine-server.ts';

const plain: ServerRequest = {
  requestId: 'r',
  tokenIds: [11, 5, 23, 7],
  temperature: 2,
  topP: 1,
  topK: 0,
  maxNewTokens: 4,
  seed: 7,
  stop: [],
  priority: 0,
  cacheNamespace: '0',
};

/** What was asked of the real server, and is asked of its recording. */
export const requests = {
  whole: plain,
  stopped: { ...plain, maxNewTokens: 40, stop: ['Grit'] },
  seeded: { ...plain, seed: 2 ** 53 - 1 },
  /** Its first token is a byte of a character. */
  noText: { ...plain, temperature: 1, maxNewTokens: 9, seed: 3 },
  tooLong: { ...plain, tokenIds: Array.from({ length: 1100 }, () => 5) },
} satisfies Record<string, ServerRequest>;
