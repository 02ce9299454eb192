/** What requests ask a turn to be held to. */
import { z } from 'zod';
import type { WantedForm } from '../agent-call.ts';
import { jsonSchema } from './tool-schema.ts';
import { note } from './read-request.ts';

const named = { name: note, description: note, strict: note };
const text = z.strictObject({ type: z.literal('text') });
const jsonObject = z.strictObject({ type: z.literal('json_object') });
const types = { error: 'the type is "text", "json_object" or "json_schema" with a schema' };

/** OpenAI's `response_format` of chat completions; completions of inference servers have it too. */
export const responseFormat = z
  .discriminatedUnion(
    'type',
    [
      text,
      jsonObject,
      z.strictObject({ type: z.literal('json_schema'), json_schema: z.strictObject({ ...named, schema: jsonSchema }) }),
    ],
    types,
  )
  .nullish();

/** OpenAI's `text.format` of Responses. */
export const textFormat = z
  .discriminatedUnion(
    'type',
    [text, jsonObject, z.strictObject({ type: z.literal('json_schema'), ...named, schema: jsonSchema })],
    types,
  )
  .nullish();

/** Anthropic's `output_config.format`. */
export const outputFormat = z.strictObject({ type: z.literal('json_schema'), schema: jsonSchema }).nullish();

const definition = z.string().min(1).max(100_000);

/** vLLM's field for what OpenAI has no word for. */
export const structuredOutputs = z
  .union(
    [z.strictObject({ regex: definition }), z.strictObject({ grammar: definition })],
    'one of {"regex": …} and {"grammar": …} is read; JSON is asked for by response_format',
  )
  .nullish();

type Format = z.output<typeof responseFormat> | z.output<typeof textFormat>;

/** Undefined for free text. */
export function formOf(format: Format, field: string): WantedForm | undefined {
  if (format === null || format === undefined || format.type === 'text') return undefined;
  if (format.type === 'json_object') return { kind: 'json_object', definition: '', field };
  const schema = 'schema' in format ? format.schema : format.json_schema.schema;
  return { kind: 'json_schema', definition: JSON.stringify(schema), field };
}

export function structuredForm(given: z.output<typeof structuredOutputs>): WantedForm | undefined {
  if (given === null || given === undefined) return undefined;
  const field = 'structured_outputs';
  return 'regex' in given
    ? { kind: 'regex', definition: given.regex, field }
    : { kind: 'grammar', definition: given.grammar, field };
}
