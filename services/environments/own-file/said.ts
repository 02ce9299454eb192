/** What an environment of a user's file gives, which no compiler has seen. */
import { z } from 'zod';

const part = z.strictObject({ text: z.string(), trusted: z.boolean().optional() });
const message = z.strictObject({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.union([z.string(), z.array(part)], 'give text, or parts with text'),
});
const messages = z.array(message).min(1);

const conversation = z.strictObject({
  messages,
  tools: z.array(z.unknown()).optional(),
  thinking: z.boolean().optional(),
});
export const promptSaid = z.union([z.string(), conversation], 'give text, or { messages }');

const facts = z.record(z.string(), z.unknown());
const action = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('tool_call'),
    name: z.string(),
    arguments: facts,
    result: z.string(),
    error: z.string().optional(),
    facts: facts.optional(),
  }),
  z.strictObject({ kind: z.literal('answer'), text: z.string() }),
  z.strictObject({ kind: z.literal('violation'), code: z.string().regex(/^[a-z][a-z0-9_]*$/), wasCall: z.boolean() }),
]);

/** Rewards and metrics by name; whether they are those of the definition, and finite, is checked where all environments are. */
const numbers = z.record(z.string(), z.unknown()).optional();

const visible = z.string().optional();
const role = z.string().optional();
const goesOn = { kind: z.literal('continue'), action: action.optional(), visible };

export const outcomeSaid = z.union(
  [
    z.strictObject({ ...goesOn, role, text: z.string() }),
    z.strictObject({ ...goesOn, role, messages }),
    z.strictObject({ ...goesOn, role: z.string(), prompt: conversation }),
    z.strictObject({
      kind: z.literal('done'),
      prediction: z.string().optional(),
      failure: z.enum(['malformed_turn', 'truncated_turn', 'context_overflow', 'turn_limit']).optional(),
      rewards: numbers,
      metrics: numbers,
      action: action.optional(),
      visible,
    }),
  ],
  "give { kind: 'continue', text }, { kind: 'continue', messages } or { kind: 'done', … }",
);
