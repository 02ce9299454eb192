import { FailureClass } from '#proto/rollout/v1/result_pb.ts';

/** Classes of what the user has to fix are 32 and more (result.proto): the run ends with what was said. */
export function isUserCode(failure: FailureClass): boolean {
  return failure >= FailureClass.USER_ENVIRONMENT;
}

/** Infrastructure classes are 1..15, data classes from 16 on (result.proto). */
export function isInfrastructure(failure: FailureClass): boolean {
  return failure !== FailureClass.UNSPECIFIED && failure < FailureClass.MALFORMED_TURN;
}
