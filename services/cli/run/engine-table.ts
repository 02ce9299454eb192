import { EngineOutput, EngineState, type EngineStatus } from '#proto/policy/v1/policy_pb.ts';
import { LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { tableLines } from '../terminal/format.ts';

const states: Readonly<Record<number, string>> = {
  [EngineState.UNSPECIFIED]: '',
  [EngineState.UP]: 'up',
  [EngineState.DOWN]: 'down',
  [EngineState.DRAINING]: 'draining',
};

/** One line each, and below them why those that are down are, and what those that cannot be trained with lack. */
export function engineLines(engines: readonly EngineStatus[]): string[] {
  const rows = engines.map((engine) => [
    engine.address,
    states[engine.state] ?? '',
    `${engine.version}`,
    engine.server,
    outputWords(engine),
    engine.load === undefined ? '' : `${engine.load.running}+${engine.load.waiting}/${engine.load.capacity}`,
    engine.load === undefined ? '' : `${Math.round(engine.load.kvUsedRatio * 100)}%`,
    `${engine.inFlight}`,
  ]);
  return [
    ...tableLines(rows, {
      head: ['engine', 'state', 'version', 'server', 'gives', 'running+waiting/room', 'cache', 'in flight'],
    }),
    ...engines.flatMap(({ address, problem, advice }) =>
      [problem, ...advice].filter((text) => text !== '').map((text) => `${address}: ${text}`),
    ),
  ];
}

export function engineWords(engine: EngineStatus): string {
  return [`version ${engine.version}`, engine.server, outputWords(engine)].filter((text) => text !== '').join(', ');
}

function outputWords({ state, output, logprobKind, fixedWeights }: EngineStatus): string {
  // One that has never answered has said nothing.
  if (state === EngineState.DOWN && output === EngineOutput.UNSPECIFIED) return '';
  const fixed = fixedWeights ? ', fixed weights' : '';
  if (output === EngineOutput.TEXT) return `text${fixed}`;
  if (output === EngineOutput.TOKENS) return `tokens${fixed}`;
  return `tokens, ${logprobKind === LogprobKind.RAW ? 'raw logprobs' : 'logprobs'}${fixed}`;
}
