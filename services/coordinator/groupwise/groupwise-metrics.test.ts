import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { GroupClosedSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { groupwiseMetrics } from './groupwise-metrics.ts';

const judged = { planned: 6, judged: 6, byRule: 0, missing: 0 };

describe('metrics of groupwise scorers', () => {
  it('are none in a step without', () => {
    expect(groupwiseMetrics([create(GroupClosedSchema, { samples: [{ taskId: 't', reward: 1 }] })], [])).toEqual({});
  });

  it('add up counts over groups and scorers, and weigh bias by judgements', () => {
    const closed = [
      create(GroupClosedSchema, {
        samples: [{ components: { preferred: 1 } }, { components: { preferred: 0 } }, {}],
        judged: {
          preferred: { ...judged, judgements: 12, cached: 2, positionBias: 0.5, inconsistency: 0.25 },
          ranked: { ...judged, judgements: 0, byRule: 3 },
        },
      }),
      create(GroupClosedSchema, {
        samples: [{ components: { preferred: 0.5, ranked: 1 } }],
        judged: { preferred: { ...judged, judgements: 4, missing: 3, positionBias: -0.5 } },
      }),
    ];
    const metrics = groupwiseMetrics(closed, [1, 3]);
    expect(metrics).toEqual({
      'reward/preferred': 0.5,
      'reward/ranked': 1,
      'judge/judgements': 16,
      'judge/cached': 2,
      'judge/missing': 3,
      'judge/position_bias': 0.25,
      'judge/inconsistency': 0.1875,
      'time/group_scoring': 2,
    });
  });
});
