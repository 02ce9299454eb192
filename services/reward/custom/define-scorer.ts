/**
 * What a scorer written in TypeScript imports: `import { defineScorer, z } from 'gradus/scorer'`. The host makes the name known
 * wherever the file lies. A plain object of the same shape as the default export does as well, and imports nothing.
 */
import { z } from 'zod';

export { z };

interface TurnText {
  /** Exactly what the policy wrote. */
  readonly text: string;
  /** It was cut by a token limit. */
  readonly truncated: boolean;
  /** Role of the environment that wrote it; absent where it has none. */
  readonly role?: string;
}

/** One turn of the policy, as the environment understood it. */
export type Turn = TurnText &
  (
    | {
        readonly action: 'tool_call';
        readonly tool: string;
        readonly succeeded: boolean;
        /** Names what failed; empty on success. */
        readonly error: string;
        /** As the policy wrote them. */
        readonly arguments: Readonly<Record<string, unknown>>;
        /** What the policy got to read of it; empty on failure. */
        readonly result: string;
        /** What the environment knows of the call besides; of `search`: `page_titles`. */
        readonly facts: Readonly<Record<string, unknown>>;
      }
    | { readonly action: 'answer'; readonly answer: string }
    | { readonly action: 'violation'; readonly violation: string }
    | { readonly action: 'none' }
  );

/** A finished rollout. */
export interface Episode {
  readonly id: string;
  /** The row of the data set, whole. */
  readonly row: {
    readonly id: string;
    readonly data: Readonly<Record<string, unknown>>;
    readonly gold: Readonly<Record<string, unknown>>;
    readonly tags: Readonly<Record<string, string>>;
  };
  /** `question` of the row's data; all of the data as JSON where it has none. */
  readonly question: string;
  /** `answers` of the row's gold: the answer and its aliases; empty where it has none. */
  readonly answers: readonly string[];
  /** Text of the one answer that ended the episode; null when it did not end so. */
  readonly prediction: string | null;
  readonly turns: readonly Turn[];
  /** By who wrote them; null when nobody counted. */
  readonly tokens: { readonly prompt: number; readonly model: number; readonly environment: number } | null;
}

/** Anything but a finite number within the scorer's range is no score: the component is then absent. */
type Scored = number | boolean;

export interface ScorerDefinition<Settings extends z.ZodType> {
  /** Of what a recipe writes next to the weight; without a schema there are none. Strict, so that a slip of the pen is refused. */
  readonly settings?: Settings;
  readonly score: (episode: Episode, settings: z.output<Settings>) => Scored | Promise<Scored>;
}

/** Gives its argument back; for the types. */
export function defineScorer<Settings extends z.ZodType = z.ZodUnknown>(
  definition: ScorerDefinition<Settings>,
): ScorerDefinition<Settings> {
  return definition;
}
