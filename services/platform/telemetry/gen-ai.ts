import { SpanKind } from '@opentelemetry/api';
import { withSpan } from './tracing.ts';

/** Spans by OpenTelemetry's conventions for generative AI (https://opentelemetry.io/docs/specs/semconv/gen-ai/). */

export interface Generation {
  /** Tokens that the model reads. */
  readonly inputTokens: number;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: bigint;
}

export interface Generated {
  readonly outputTokens: number;
  /** By the names of the conventions: `stop`, `length`. */
  readonly finishReason: string;
  /** For example the version of the policy. */
  readonly model: string;
}

/** A request to a model, token ids in and out. `outcomeOf` reads what came of it. */
export function withGeneration<T>(
  { inputTokens, maxTokens, temperature, topP, seed }: Generation,
  generate: () => Promise<T>,
  outcomeOf: (generated: T) => Generated,
): Promise<T> {
  return withSpan(
    'text_completion',
    {
      'gen_ai.operation.name': 'text_completion',
      'gen_ai.provider.name': 'gradus',
      'gen_ai.usage.input_tokens': inputTokens,
      'gen_ai.request.max_tokens': maxTokens,
      'gen_ai.request.temperature': temperature,
      'gen_ai.request.top_p': topP,
      'gen_ai.request.seed': Number(seed),
    },
    async (span) => {
      const generated = await generate();
      if (span.isRecording()) {
        const { outputTokens, finishReason, model } = outcomeOf(generated);
        span.setAttributes({
          'gen_ai.usage.output_tokens': outputTokens,
          'gen_ai.response.finish_reasons': [finishReason],
          'gen_ai.response.model': model,
        });
      }
      return generated;
    },
    { kind: SpanKind.CLIENT },
  );
}

/** A call of a tool by the model. What the model wrote is in the trajectory, not here. */
export function withToolCall<T>(tool: string, run: () => Promise<T>): Promise<T> {
  const attributes = {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': tool,
    'gen_ai.tool.type': 'function',
  };
  return withSpan(`execute_tool ${tool}`, attributes, run);
}
