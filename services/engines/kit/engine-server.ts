/** What a server gives of a turn; training needs `logprobs`. */
export type OutputLevel = 'text' | 'tokens' | 'logprobs';

/** What a server can hold a turn to while it is written. */
export const formKinds = ['json_object', 'json_schema', 'regex', 'grammar'] as const;
export type FormKind = (typeof formKinds)[number];

export interface ServerForm {
  readonly kind: FormKind;
  /** The schema as JSON text, the expression or the grammar; empty for `json_object`. */
  readonly definition: string;
}

export interface ServerDescription {
  /** Name and version of the program, for example `vllm 0.32.0`. */
  readonly program: string;
  /** As the server names it. */
  readonly model: string;
  readonly maxContextTokens: number;
  readonly output: OutputLevel;
  /** `raw`: of the model's own distribution; `tempered`: after temperature, before top-k and top-p; `processed`: after them, too. */
  readonly logprobs?: 'raw' | 'tempered' | 'processed';
  /** How far its log-probabilities may lie from those of a float32 pass, in the mean: about 0.002 nats in float32, 0.05 in bfloat16. */
  readonly toleranceNats: number;
  /** Weights can be given to it while it runs. */
  readonly loadsVersions: boolean;
  /** What turns can be held to; absent where nothing. Log-probabilities of such a turn count as those of no free one, whatever the server says. */
  readonly forms?: readonly FormKind[];
  /** Of the weights that it serves, as it was last given them; absent where it does not say. 0 is what it was started with. */
  readonly version?: bigint;
  /** What to switch on at the server where something is missing, a sentence each. */
  readonly advice: readonly string[];
}

export interface ServerRequest {
  readonly requestId: string;
  readonly tokenIds: readonly number[];
  /** 0 is greedy. */
  readonly temperature: number;
  /** 1 is off. */
  readonly topP: number;
  /** 0 is off. */
  readonly topK: number;
  /** Of this turn; the room that the context leaves is in it already. */
  readonly maxNewTokens: number;
  /** 0 to 2^53 - 1: what every server and JSON carry exactly. */
  readonly seed: number;
  /** A turn ends once its text contains one of these, which stays in it. */
  readonly stop: readonly string[];
  /** Greater goes first. */
  readonly priority: number;
  /** Absent: the turn is free. */
  readonly form?: ServerForm;
  /** Keys and values are shared only within one namespace: another one for other weights. */
  readonly cacheNamespace: string;
}

export interface ServerTurn {
  readonly tokenIds: readonly number[];
  /** One per token; none below the level `logprobs`. */
  readonly logprobs: readonly number[];
  /** `aborted` is never `length`: the server gave the turn up, and says so. */
  readonly finish: 'stop' | 'length' | 'aborted';
  /** As the server counts versions; absent where it does not say. */
  readonly versions?: { readonly first: bigint; readonly last: bigint };
  readonly cachedTokens?: number;
}

/** A version of the policy, as a server is given it. */
export interface ServerWeights {
  readonly version: bigint;
  /** Has model.safetensors or its shards, and config.json. */
  readonly directory: string;
}

export interface ServerLoad {
  readonly running: number;
  readonly waiting: number;
  /** 0..1. */
  readonly kvUsedRatio: number;
  readonly preemptions: bigint;
  /** As in ServerDescription: another one than was loaded shows that the server was started anew. */
  readonly version?: bigint;
}

/**
 * An inference server as a sidecar speaks to it. Failures are of three kinds: TransientError where another engine may answer (no connection, 5xx, an
 * answer that is none: wrong counts, NaN), TerminalError where no engine would, CancelledError when `signal` aborts; each names the server.
 */
export interface EngineServer {
  /** What it can do, found out by asking, not by its name. */
  describe(signal: AbortSignal): Promise<ServerDescription>;
  /** When `signal` aborts the server is told to give the turn up: closing a connection does not end it everywhere. */
  generate(request: ServerRequest, signal: AbortSignal): Promise<ServerTurn>;
  /**
   * Log-probabilities at temperature 1 of `tokenIds[1..]`, each given those before it: what shows whether the weights that were loaded are the ones
   * that compute. Absent where the server cannot.
   */
  readonly score?: (tokenIds: readonly number[], signal: AbortSignal) => Promise<readonly number[]>;
  /** Ids of a text without added tokens: whether its tokenizer is ours. Absent where the server cannot. */
  readonly tokenize?: (text: string, signal: AbortSignal) => Promise<readonly number[]>;
  /** Gives the server weights while it runs; turns in flight go on with them. Absent where it cannot. */
  readonly load?: (weights: ServerWeights, signal: AbortSignal) => Promise<void>;
  status(signal: AbortSignal): Promise<ServerLoad>;
  close(): void;
}
