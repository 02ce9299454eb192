import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { requireComponents } from './require-components.ts';

const composition = create(CompositionSchema, {
  weights: ['format', 'judged', 'other', 'preferred'].map((name) => ({ name, weight: 1 })),
  groupwise: ['preferred'],
});
const requiring = (components: Record<string, number>, absent: Record<string, string>) => () =>
  requireComponents(composition, { components, detectors: {}, absent });

describe('a score', () => {
  it('is taken when it has what the composition reads, though groupwise components come later', () => {
    expect(requiring({ format: 1, judged: 0, other: 1 }, { prose: 'timeout' })).not.toThrow();
  });

  it('P2: without a component is a failure of the platform that is tried again, never a reward of 0', () => {
    expect(requiring({ format: 1 }, { judged: 'unparsable', other: 'unavailable' })).toThrow(
      expect.objectContaining({
        name: 'TransientError',
        code: 'unavailable',
        message: 'no reward without judged (unparsable), other (unavailable)',
      }),
    );
  });

  it.each(['unavailable', 'rate_limited', 'circuit_open'])(
    'P2: whose judge is %s is waited for as a busy peer, so that the tokens are not played again',
    (reason) => {
      expect(requiring({ format: 1, other: 1 }, { judged: reason })).toThrow(
        expect.objectContaining({ code: 'resource_exhausted', retryAfterMs: 1_000 }),
      );
    },
  );

  it('says what lies behind a missing component, such as the sentence of a judge', () => {
    const absentDetails = { judged: "judge 'main' answered 402: no credit" };
    const score = { components: { format: 1, other: 1 }, detectors: {}, absent: { judged: 'refused' }, absentDetails };
    expect(() => requireComponents(composition, score)).toThrow(
      "no reward without judged (refused: judge 'main' answered 402: no credit)",
    );
  });

  it('P2: of which a component is neither given nor absent is never asked for again', () => {
    expect(requiring({ format: 1, other: 1 }, {})).toThrow(
      expect.objectContaining({
        name: 'TerminalError',
        code: 'internal',
        message: expect.stringContaining('reads judged'),
      }),
    );
  });
});
