/**
 * What an environment is. One written in a file of its own imports this as `gradus/environment`.
 *
 *     start -> prompt -> [a turn of the policy -> step -> continue]* -> step -> done -> close
 *
 * Where it has roles, each has a sequence of its own: what one of them reads and writes, the others do not see.
 */
import type { z } from 'zod';
import type { ChatMessage, Conversation } from '#chat/conversation.ts';
import type { EnvironmentClients, Need } from './clients.ts';

/** A row of the data set as an episode sees it: never the gold. */
export interface EpisodeRow<Data = unknown> {
  readonly id: string;
  readonly data: Data;
  readonly tags: Readonly<Record<string, string>>;
}

/** A task that a policy acts in. One environment serves any number of concurrent episodes. */
export interface Environment<Data = unknown> {
  /** A turn ends at one of these; the string stays in the turn. */
  readonly stop: readonly string[];
  /** Components of the reward that its episodes give, where only it knows them: the definition's otherwise. */
  readonly rewards?: readonly string[];
  /**
   * Its texts come from code of the user's. Control tokens of the model's tokenizer in them lose their meaning, whatever that code forgot; tags
   * of the formats keep it. Messages say which of their parts are trusted.
   */
  readonly outsideText?: true;
  start(row: EpisodeRow<Data>, io: StartIo): Episode | Promise<Episode>;
  /** Tries what it stands on, before a run starts; throws what keeps it from working. */
  check?(signal: AbortSignal): Promise<void>;
  /** Called once when nothing uses it any more. */
  close?(): void | Promise<void>;
}

/** One rollout's conversation. It may hold state: all of its steps are taken by the process that started it, one after the other. */
export interface Episode {
  /** What the sequence, that of the first role, begins with: text as it stands, or messages that the model's own chat template renders. */
  prompt(): string | Conversation | TokenPrompt;
  /**
   * Understands a turn, runs its tool, and says what follows. `TransientError` says that a service which the environment stands on
   * failed: the same step is tried again, and the rollout never gets a reward for it. Whatever else it throws is a fault of the
   * environment's code, which ends the run.
   */
  step(turn: ModelTurn, io: StepIo): StepOutcome | Promise<StepOutcome>;
  /** Who waits for the turn that is written next; asked once before each. Absent where every turn is wanted. */
  listener?(): TurnListener;
  /** In the place of `step`, for a turn whose listener was gone before it was written: what follows instead of it. Tried again like a step. */
  abandoned?(io: StepIo): StepOutcome | Promise<StepOutcome>;
  /** Metrics of an episode that has ended without giving any: by a limit, or with a turn that is none. */
  metrics?(): Readonly<Record<string, number>>;
  /** Called once, however the episode ended. */
  close?(): void | Promise<void>;
}

/** A prompt, or what follows a turn, as ids of the model's own tokens: taken as they are: the environment vouches for them. */
export interface TokenPrompt {
  readonly tokenIds: readonly number[];
}

/** A turn as it was sampled, and the sequence in front of it. */
export interface SampledTurn {
  readonly prompt: readonly number[];
  readonly tokenIds: readonly number[];
  /** One per token; undefined where the policy gives none. */
  readonly logprobs: readonly number[] | undefined;
}

export interface ModelTurn {
  /** From 0, over all roles. */
  readonly index: number;
  /** Who wrote it; absent where the environment has no roles. */
  readonly role?: string;
  /** Exactly what the policy wrote, stop string included. */
  readonly text: string;
  /** The limit that cut it; absent where the policy ended it. */
  readonly cutBy?: 'turn' | 'context';
  /** How many it has, and how many stood in front of it in its sequence. A worker says them. */
  readonly tokens?: { readonly prompt: number; readonly turn: number };
  /** The tokens themselves. A worker has them; code in a process of its own does not. */
  sampled?(): SampledTurn;
}

/** One who waits for a turn while it is written. */
export interface TurnListener {
  /** Aborts when nobody waits any more. The engine is told to stop, and nothing of the turn, nor of what was read for it, is recorded. */
  readonly gone: AbortSignal;
  /** What the turn is held to, where it is not free. */
  readonly form?: TurnForm;
  /** No engine takes the form: the turn is given up as if the listener were gone. */
  refused?(why: string): void;
}

export const turnFormKinds = ['json_object', 'json_schema', 'regex', 'grammar'] as const;
export type TurnFormKind = (typeof turnFormKinds)[number];

/** As gradus.policy.v1.OutputForm. */
export interface TurnForm {
  readonly kind: TurnFormKind;
  /** The schema as JSON text, the expression or the grammar; empty for `json_object`. */
  readonly definition: string;
}

export interface StartIo {
  readonly signal: AbortSignal;
  /** The same for every try of the same sample, replays included: draw from it what is random. */
  readonly seed: bigint;
  readonly toolTimeoutMs: number;
  /** The rollout that is played. Absent where no worker plays it, and in processes of users' files. */
  readonly rollout?: {
    readonly id: string;
    /** From 1; counts deliveries to workers. */
    readonly attempt: number;
    readonly timeoutMs: number;
    /** Its turns are trained on, so that they are free ones. */
    readonly trained: boolean;
  };
  /** Most tokens of a turn. A worker says it. */
  readonly maxNewTokens?: number;
}

export interface StepIo {
  readonly signal: AbortSignal;
  /** Longest time of the step. */
  readonly toolTimeoutMs: number;
  /** Told of each call of a tool once it has ended, however it ended. A worker has it; code in a process of its own does not. */
  readonly toolEnded?: (tool: string, elapsedMs: number) => void;
}

export type StepOutcome = {
  /** What the turn was, for scorers and transcripts. Absent: an answer where there is a prediction, else a turn that did nothing. */
  readonly action?: TurnAction;
  /** What scorers read of the turn, in the place of what was written: without its thought, for example. */
  readonly visible?: string;
} &
  /**
   * What the policy reads next: text as it stands, or messages in the model's chat template. The turn itself stays as it was written. `role`
   * writes the next turn, the same as before where it is absent; the sequence of one that has not spoken yet begins with the text or `prompt`, or
   * as that of another role (`fork`) did, up to the end of one of its turns (`turns`, from 1), so that its tokens are the same.
   */
  (
    | { readonly kind: 'continue'; readonly role?: string; readonly text: string }
    | { readonly kind: 'continue'; readonly role?: string; readonly messages: readonly ChatMessage[] }
    | { readonly kind: 'continue'; readonly role?: string; readonly tokenIds: readonly number[] }
    | { readonly kind: 'continue'; readonly role: string; readonly prompt: Conversation }
    | {
        readonly kind: 'continue';
        readonly role: string;
        readonly fork: { readonly role: string; readonly turns: number };
        readonly messages: readonly ChatMessage[];
      }
    | {
        readonly kind: 'done';
        readonly prediction?: string;
        /** How the policy failed: behaviour, not a fault of anything else. */
        readonly failure?: EpisodeFailure;
        /** Components of the reward that the episode gives itself, by the names in the definition's `rewards`; each 0..1. */
        readonly rewards?: Readonly<Record<string, number>>;
        /** Numbers for people and gates, finite, at most 32: their means are metrics, and nothing is scored by them. */
        readonly metrics?: Readonly<Record<string, number>>;
      }
  );

export type EpisodeFailure = 'malformed_turn' | 'truncated_turn' | 'context_overflow' | 'turn_limit';

export type TurnAction =
  | {
      readonly kind: 'tool_call';
      readonly name: string;
      readonly arguments: Readonly<Record<string, unknown>>;
      /** What the policy got to read of it. */
      readonly result: string;
      /** Names what failed; absent when the call gave something usable. */
      readonly error?: string;
      /** What scorers of this environment want to know of the call, as JSON. */
      readonly facts?: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'answer'; readonly text: string }
  | {
      readonly kind: 'violation';
      /** The environment's own name for it, lower case and _. */
      readonly code: string;
      /** It was an attempt to call a tool. */
      readonly wasCall: boolean;
    };

/** What an option and a service's setting make impossible together. `path` is that of the option. */
export interface OptionConflict {
  readonly path: readonly (string | number)[];
  /** What is wrong and what to do. */
  readonly message: string;
  readonly value: unknown;
}

/** Settings of services that options may stand against. */
export interface ServiceSettings {
  readonly retrieval: { readonly reranker?: { readonly candidates: number } | undefined };
}

export interface SessionsAt {
  /** `host:port`. */
  readonly listen: string;
  readonly url?: string | undefined;
}

/** What a definition is written as. Options are spelled as a recipe spells them, in snake_case. */
export interface EnvironmentSpec<Options extends z.ZodObject, Data extends z.ZodType, Gold extends z.ZodType> {
  /** Lower case, digits, - and _. */
  readonly name: string;
  /** One sentence for people. */
  readonly about: string;
  /** Strict, so that a slip of the pen is refused; each field with a description and a default where there is one. */
  readonly options: Options;
  /** What a row holds: `data` the episode sees, `gold` only scorers do. */
  readonly row: { readonly data: Data; readonly gold: Gold };
  /** Columns of `data` that the options read, beyond what the schema of `data` asks for: those of a template, for example. */
  readonly columns?: (options: z.output<Options>) => readonly string[];
  /** Services that it stands on. Only these are started and connected. */
  readonly needs?: readonly Need[];
  /** Scorers that every rollout is given to, whatever their weight. */
  readonly scorers?: readonly string[];
  /** Components of the reward that its episodes give themselves. */
  readonly rewards?: readonly string[];
  /** The parts that the policy plays in an episode, the first one first; each has a sequence, a reward and advantages of its own. */
  readonly roles?: readonly string[];
  /**
   * An episode without roles may begin further sequences, `branch-1`, `branch-2` and so on in the place of a role, the first one being ``: all are
   * trained on with the rollout's reward and advantage.
   */
  readonly branches?: true;
  /** Environment variables of the worker that the options name: secrets among them reach it only so. */
  readonly variables?: (options: z.output<Options>) => readonly string[];
  /** Where the gateway of a fleet serves sessions of agents over HTTP, and under which URL they reach it; absent where they need none. */
  readonly sessionsAt?: (options: z.output<Options>) => SessionsAt | undefined;
  /** What is waited for within one turn, in milliseconds, by the options and limits that it is the sum of: each is shorter than the turn. */
  readonly waits?: (options: z.output<Options>, toolTimeoutMs: number) => Readonly<Record<string, number>>;
  /** Which rewards they are, where the options decide. */
  readonly rewardsOf?: (options: z.output<Options>) => readonly string[];
  /** The metric that people look at first: a name of `scorers` or `rewards`, or `reward`. */
  readonly primaryMetric: string;
  /** Tags of rows by which evaluations are split. */
  readonly tags?: readonly string[];
  /** The options with their paths made absolute by `at`; a recipe gives them relative to its folder. */
  readonly locate?: (options: z.output<Options>, at: (path: string) => string) => z.output<Options>;
  /** What the options ask of a service that it is not set to give. */
  readonly conflicts?: (options: z.output<Options>, services: ServiceSettings) => readonly OptionConflict[];
  /** Whether its prompts are messages, which need the model's chat template. Absent where only an episode can know. */
  readonly speaksInMessages?: (options: z.output<Options>) => boolean;
  /** Options with which its prompts are text, for a model without a chat template; absent where it only speaks in messages, or never does. */
  readonly inText?: Partial<z.input<Options>>;
  /** Options for a model that was not trained for it: they describe what it may write. Absent where the prompts do that by themselves. */
  readonly instructed?: Partial<z.input<Options>>;
  /** Settings of a scripted engine that plays this environment; absent where none can. */
  readonly scripted?: (options: z.output<Options>) => Readonly<Record<string, string | number>>;
  open(
    options: z.output<Options>,
    clients: EnvironmentClients,
  ): Environment<z.output<Data>> | Promise<Environment<z.output<Data>>>;
}

/** A definition as the rest of Gradus uses it: what it takes has been parsed by its own schemas. */
export interface EnvironmentDefinition {
  readonly name: string;
  readonly about: string;
  readonly options: z.ZodObject;
  readonly row: { readonly data: z.ZodType; readonly gold: z.ZodType };
  columns?(options: unknown): readonly string[];
  readonly needs: readonly Need[];
  readonly scorers: readonly string[];
  readonly rewards: readonly string[];
  readonly roles: readonly string[];
  readonly branches?: true;
  variables?(options: unknown): readonly string[];
  sessionsAt?(options: unknown): SessionsAt | undefined;
  waits?(options: unknown, toolTimeoutMs: number): Readonly<Record<string, number>>;
  rewardsOf?(options: unknown): readonly string[];
  readonly primaryMetric: string;
  readonly tags: readonly string[];
  locate?(options: unknown, at: (path: string) => string): unknown;
  conflicts?(options: unknown, services: ServiceSettings): readonly OptionConflict[];
  speaksInMessages?(options: unknown): boolean;
  readonly inText?: Readonly<Record<string, unknown>>;
  readonly instructed?: Readonly<Record<string, unknown>>;
  scripted?(options: unknown): Readonly<Record<string, string | number>>;
  open(options: unknown, clients: EnvironmentClients): Environment | Promise<Environment>;
}

export function defineEnvironment<Options extends z.ZodObject, Data extends z.ZodType, Gold extends z.ZodType>(
  spec: EnvironmentSpec<Options, Data, Gold>,
): EnvironmentDefinition {
  // Options and rows reach `open` and `start` only after the spec's own schemas have parsed them.
  return { needs: [], scorers: [], rewards: [], roles: [], tags: [], ...spec };
}
