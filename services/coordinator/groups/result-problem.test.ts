import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { refusedResult, resultProblem } from './result-problem.ts';

const composition = create(CompositionSchema, {
  weights: [
    { name: 'exact_match', weight: 1 },
    { name: 'preferred', weight: 1 },
  ],
  gates: [{ name: 'format', atLeast: 1, otherwise: 0 }],
  groupwise: ['preferred'],
});
const result = (change: object = {}) =>
  create(RolloutResultSchema, {
    taskId: 't',
    groupId: 'g',
    attempt: 2,
    components: { exact_match: 1, format: 1 },
    detectors: { copied: 0.5 },
    trajectorySequence: 7n,
    ...change,
  });

describe('a result that cannot be', () => {
  it.each([
    [{ components: { exact_match: NaN } }, 'components."exact_match": NaN; components and detectors are 0 to 1'],
    [{ components: { exact_match: 2 } }, 'components."exact_match": 2;'],
    [{ components: { exact_match: 1, format: -1e9 } }, 'components."format": -1000000000;'],
    [{ components: { format: 1 } }, 'components."exact_match": missing; the stage\'s composition reads it'],
    [{ components: { exact_match: 1 } }, 'components."format": missing;'],
    [{ components: {} }, 'components."format": missing;'],
    [{ detectors: { copied: -Infinity } }, 'detectors."copied": -Infinity;'],
    [{ environmentMetrics: { moves: NaN } }, 'environment_metrics.moves: NaN; it must be a finite number'],
    [{ trajectorySequence: 0n }, 'trajectory_sequence: 0;'],
    [{ groupId: 'h' }, 'group_id: "h"; its task is of group g'],
  ])('P2: is named by its field: %o', (change, problem) => {
    expect(resultProblem(result(change), 'g', composition)).toContain(problem);
  });

  it('is not one that is rounded, that a gate has decided, or that says that infrastructure failed', () => {
    expect(
      resultProblem(result({ components: { exact_match: 1 + 1e-9, format: 1 } }), 'g', composition),
    ).toBeUndefined();
    expect(resultProblem(result({ components: { format: 0 } }), 'g', composition)).toBeUndefined();
    const failed = { failure: FailureClass.POLICY_UNAVAILABLE, components: {}, trajectorySequence: 0n };
    expect(resultProblem(result(failed), 'g', composition)).toBeUndefined();
  });

  it('P2: is one for training that lacks a component, whatever it says of it; an evaluated one may say that it is absent', () => {
    const absent = {
      components: { format: 1 },
      absentComponents: { exact_match: { reason: 'unavailable', detail: 'it answered 503' } },
    };
    const missing = 'components."exact_match": missing';
    expect(resultProblem(result({ ...absent, purpose: Purpose.TRAIN }), 'g', composition)).toContain(missing);
    expect(resultProblem(result({ ...absent, purpose: Purpose.EVAL }), 'g', composition)).toBeUndefined();
    const silent = { components: { format: 1 }, purpose: Purpose.EVAL };
    expect(resultProblem(result(silent), 'g', composition)).toContain(missing);
  });

  it('P2: becomes a failure of its attempt, without components', () => {
    const refused = refusedResult(result(), 'group_id: "h"');
    expect(refused).toMatchObject({ taskId: 't', attempt: 2, failureDetail: 'the result was refused: group_id: "h"' });
    expect(refused).toMatchObject({ failure: FailureClass.INTERNAL, components: {} });
  });
});
