import { cutText, type Codec, type ViolationCode } from '../kit/codec.ts';
import type { Episode, ModelTurn, StepIo, StepOutcome } from '../kit/environment.ts';
import { callViolations, failureOf, noticeOf } from '../kit/tool-episode.ts';
import type { OpenenvOptions } from './options.ts';
import { createRewardTally } from './reward.ts';
import type { Session } from './session.ts';
import { callServerTool, type ListedTool } from './tools.ts';

/** Each turn is a call of one of the server's tools, or the answer that ends the episode. */
export function createCallEpisode(
  session: Session,
  prompt: string,
  codec: Codec,
  tools: readonly ListedTool[],
  options: OpenenvOptions,
): Episode {
  const tally = createRewardTally(options);
  const names = new Set(tools.map(({ name }) => name));
  let violations = 0;
  let steps = 0;

  function violated(turn: ModelTurn, code: ViolationCode): StepOutcome {
    const action = { kind: 'violation', code, wasCall: callViolations.has(code) } as const;
    violations += 1;
    if (violations > options.max_violations || turn.cutBy === 'context')
      return { kind: 'done', failure: failureOf(turn), action };
    return { kind: 'continue', text: codec.renderResult(noticeOf(code, tools)), action };
  }

  return {
    prompt: () => prompt,
    close: async () => await session.close(),
    async step(turn: ModelTurn, io: StepIo): Promise<StepOutcome> {
      const parsed = codec.parse(turn.text);
      if (parsed.kind === 'violation') return violated(turn, parsed.code);
      if (parsed.kind === 'answer') {
        const action = { kind: 'answer', text: parsed.text } as const;
        return { ...ended(), prediction: parsed.text, action };
      }
      if (!names.has(parsed.name)) return violated(turn, 'unknown_tool');
      const called = await callServerTool(session, parsed.name, parsed.args, io);
      if (called.kind === 'violation') return violated(turn, 'bad_arguments');
      const { result, observed } = called;
      steps += 1;
      tally.add(observed.reward);
      const failed = 'error' in result;
      const text = cutText(failed ? result.error : result.text, options.max_observation_characters);
      const action = {
        kind: 'tool_call',
        name: parsed.name,
        arguments: parsed.args,
        ...(failed ? { result: '', error: text } : { result: text }),
      } as const;
      if (observed.done || steps === options.max_steps) return { ...ended(), action };
      return { kind: 'continue', text: codec.renderResult(failed ? `error: ${text}` : text), action };
    },
  };

  function ended() {
    return { kind: 'done', rewards: tally.rewards(), metrics: tally.metrics() } as const;
  }
}
