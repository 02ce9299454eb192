import { type DescribeResponse, EngineOutput, type OutputFormKind } from '#proto/policy/v1/policy_pb.ts';
import { LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';

/** What turns of an engine consist of, as it says itself. */
export type EngineGives = Pick<DescribeResponse, 'output' | 'logprobKind'> & Partial<Pick<DescribeResponse, 'forms'>>;

/** Engines that are older than the field give log-probabilities. */
export function outputOf({ output }: Pick<EngineGives, 'output'>): EngineOutput {
  return output === EngineOutput.UNSPECIFIED ? EngineOutput.LOGPROBS : output;
}

/** Whether turns that are sampled at `temperature` can be trained on: the learner compares with the distribution that they were drawn from. */
export function isTrainable(gives: EngineGives, temperature: number): boolean {
  return outputOf(gives) === EngineOutput.LOGPROBS && (gives.logprobKind !== LogprobKind.RAW || temperature === 1);
}

/** Forms that some of them can hold a turn to. */
export function formsOf(engines: readonly EngineGives[]): OutputFormKind[] {
  return [...new Set(engines.flatMap(({ forms = [] }) => forms))].toSorted((one, other) => one - other);
}

/** What can be counted on whichever of them writes a turn. */
export function leastOf(engines: readonly EngineGives[]): EngineGives {
  const outputs = engines.map(outputOf);
  const output = outputs.reduce((least, each) => (each < least ? each : least), outputs[0] ?? EngineOutput.UNSPECIFIED);
  if (output !== EngineOutput.LOGPROBS) return { output, logprobKind: LogprobKind.UNSPECIFIED };
  const isRaw = engines.some(({ logprobKind }) => logprobKind === LogprobKind.RAW);
  return { output, logprobKind: isRaw ? LogprobKind.RAW : LogprobKind.TEMPERED };
}
