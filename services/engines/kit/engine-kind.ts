import type { z } from 'zod';
import type { Guardian } from '#platform/runtime/guardian.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import type { EngineServer } from './engine-server.ts';

/** Where a server that is started here finds its model, and how large it may be. */
export interface ServerPlan {
  /** Of Hugging Face's form: config.json and the weights. Where `version` is not 0, as the learner wrote it: without a tokenizer. */
  readonly modelDirectory: string;
  /** Has tokenizer.json and the chat template. */
  readonly tokenizerDirectory: string;
  /** Of the weights in `modelDirectory`. A server that says versions says this one from its first turn on. */
  readonly version: bigint;
  /** Longest sequence, in tokens. */
  readonly maxContext: number;
  /** Sequences generated at once. */
  readonly maxRunning: number;
  /** CPU threads. */
  readonly threads: number;
  readonly device: 'cpu' | 'cuda';
}

/** What a kind starts its server with. */
export interface ServerHost {
  readonly log: Logger;
  /** Ends the server when the process that started it is gone, however it went. */
  readonly guardian: Guardian;
  /** The environment of the sidecar. */
  readonly variables: NodeJS.ProcessEnv;
  /** Aborts when the server is not wanted any more. */
  readonly signal: AbortSignal;
}

/** A server that was started here; it ends with `stop`, or with the process that started it. */
export interface StartedServer {
  /** `http://127.0.0.1:PORT`, without a path. */
  readonly baseUrl: string;
  /** Resolves when the process has ended, with how and its last words. */
  readonly ended: Promise<string>;
  /** Asks it to end, and ends it with all that it started after `graceMs`, 5 s without a word. */
  stop(graceMs?: number): Promise<void>;
}

/** A kind of inference server: its folder in `services/engines`, and one line in `index.ts`. */
export interface EngineKind<Options extends z.ZodObject = z.ZodObject> {
  /** As in `fleet.engine.kind` of a recipe. */
  readonly kind: string;
  /** One sentence for help and reference. */
  readonly about: string;
  /** `fleet.engine.options` of a recipe, in snake_case. */
  readonly options: Options;
  /**
   * Starts the server and waits until it answers (`startServerProgram`). Throws TerminalError with the server's last words when it ends before.
   * Absent where only servers that exist can be used.
   */
  readonly start?: (plan: ServerPlan, options: z.output<Options>, host: ServerHost) => Promise<StartedServer>;
  /** A client; asks nothing yet. */
  readonly connect: (baseUrl: string, options: z.output<Options>) => EngineServer;
}

/** Checks the shape, and forgets what only this kind knows of its options. */
export function defineEngineKind<Options extends z.ZodObject>(kind: EngineKind<Options>): EngineKind {
  return kind;
}
