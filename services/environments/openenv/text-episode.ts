import { neutralise, withoutStop } from '../kit/codec.ts';
import type { Episode, ModelTurn, StepIo, StepOutcome } from '../kit/environment.ts';
import { failureOf } from '../kit/tool-episode.ts';
import { observationText } from './observation.ts';
import type { OpenenvOptions } from './options.ts';
import { createRewardTally } from './reward.ts';
import type { Session } from './session.ts';

/** Each turn is an action, its text in one field. Until the server says done, or `max_steps` are taken. */
export function createTextEpisode(session: Session, prompt: string, options: OpenenvOptions): Episode {
  const tally = createRewardTally(options);
  let violations = 0;
  let steps = 0;

  return {
    prompt: () => prompt,
    close: async () => await session.close(),
    async step(turn: ModelTurn, io: StepIo): Promise<StepOutcome> {
      const given = { ...options.action_fields, [options.text_field]: withoutStop(turn.text, options.stop) };
      const observed = await session.step(given, io);
      if ('kind' in observed) {
        violations += 1;
        const action = { kind: 'violation', code: 'refused_action', wasCall: true } as const;
        if (violations > options.max_violations || turn.cutBy === 'context')
          return { kind: 'done', failure: failureOf(turn), action };
        return { kind: 'continue', text: shown(`error: ${observed.message}`), action };
      }
      steps += 1;
      tally.add(observed.reward);
      const text = observationText(observed.observation, options);
      const action = { kind: 'tool_call', name: 'step', arguments: given, result: text } as const;
      if (observed.done || steps === options.max_steps)
        return { kind: 'done', action, rewards: tally.rewards(), metrics: tally.metrics() };
      return { kind: 'continue', text: shown(text), action };
    },
  };

  function shown(text: string): string {
    return options.result_template.replaceAll('{observation}', () => neutralise(text));
  }
}
