import type { z } from 'zod';
import type { EngineServer } from './engine-server.ts';

/** Where a server that is started here finds its model, and how large it may be. */
export interface ServerPlan {
  /** A Hugging Face directory: config.json, tokenizer.json and the weights. */
  readonly modelDirectory: string;
  /** Longest sequence, in tokens. */
  readonly maxContext: number;
  /** Sequences generated at once. */
  readonly maxRunning: number;
  /** CPU threads. */
  readonly threads: number;
  readonly device: 'cpu' | 'cuda';
}

/** A server that was started here; it ends with `stop`, or with the process that started it. */
export interface StartedServer {
  /** `http://127.0.0.1:PORT`, without a path. */
  readonly baseUrl: string;
  /** Resolves when the process has ended, with how and its last words. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
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
   * Starts the server and waits until it answers. Throws TerminalError with the server's last words when it ends before. Absent where only servers
   * that exist can be used.
   */
  readonly start?: (plan: ServerPlan, options: z.output<Options>, signal: AbortSignal) => Promise<StartedServer>;
  /** A client; asks nothing yet. */
  readonly connect: (baseUrl: string, options: z.output<Options>) => EngineServer;
}

/** Checks the shape, and forgets what only this kind knows of its options. */
export function defineEngineKind<Options extends z.ZodObject>(kind: EngineKind<Options>): EngineKind {
  return kind;
}
