/**
 * What a file with tools imports: `import { tools, z } from 'gradus/tools'`. The host makes the name known wherever the file lies. A plain
 * object of the same shape as the default export does as well, and imports nothing.
 */
import { z } from 'zod';

export { z };

export interface ToolIo {
  /** Aborts when nobody waits for the result any more. */
  readonly signal: AbortSignal;
}

/** What the policy reads: text as it is, any other value as JSON; `{ error }` is a failed call that it reads of. */
export type Result = string | number | boolean | null | object;

export interface ToolDefinition<Input extends z.ZodObject> {
  /** For the policy. */
  readonly description: string;
  /** What it takes; the policy sees it as JSON schema. Strict, so that an unknown argument is refused. */
  readonly input: Input;
  /** What it throws is a fault of this file, which ends the run. */
  readonly run: (args: z.output<Input>, io: ToolIo) => Result | Promise<Result>;
}

/** Gives its argument back; for the types. */
export function tools<Inputs extends Readonly<Record<string, z.ZodObject>>>(definitions: {
  readonly [Name in keyof Inputs]: ToolDefinition<Inputs[Name]>;
}): typeof definitions {
  return definitions;
}
