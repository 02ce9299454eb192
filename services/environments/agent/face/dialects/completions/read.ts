import { z } from 'zod';
import type { TextCall, TokenCall, WantedForm } from '../../agent-call.ts';
import type { CallRules } from '../dialect.ts';
import { formOf, responseFormat, structuredForm, structuredOutputs } from '../output-form.ts';
import { note, only, openAiFields, openAiSampling, parseRequest, tokenBound } from '../read-request.ts';

export interface CompletionCall {
  readonly form: WantedForm | undefined;
  readonly call: TextCall | TokenCall;
  /** Any name; answers repeat it. */
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly samples: number;
  readonly logprobs: boolean;
  /** Also where the prompt is ids. */
  readonly tokenIds: boolean;
}

const text = z.string().min(1);
const tokenIds = z
  .array(
    z
      .int()
      .min(0)
      .max(2 ** 32 - 1),
  )
  .min(1);
const prompt = z.union(
  [text, z.tuple([text]), tokenIds, z.tuple([tokenIds])],
  'one text or one list of token ids is read; ask once for each prompt',
);

const request = z.strictObject({
  ...openAiFields,
  prompt,
  best_of: only(1),
  echo: only(false),
  suffix: only(''),
  // Of the sampled tokens alone.
  logprobs: only(0),
  response_format: responseFormat,
  structured_outputs: structuredOutputs,
  user: note,
  max_tokens: tokenBound,
  ...openAiSampling,
});

/** Throws a refusal that names the parameter. */
export function readCompletion(body: unknown, rules: CallRules): CompletionCall {
  const given = parseRequest(request, body, {
    ...rules,
    samplingNames: Object.keys(openAiSampling),
    boundNames: ['max_tokens'],
  });
  const call = callOf(given.prompt);
  return {
    call,
    form: structuredForm(given.structured_outputs) ?? formOf(given.response_format, 'response_format'),
    model: given.model,
    stream: given.stream ?? false,
    includeUsage: given.stream_options?.include_usage ?? false,
    samples: given.n ?? 1,
    logprobs: typeof given.logprobs === 'number',
    tokenIds: call.kind === 'tokens' || given.return_token_ids === true,
  };
}

function callOf(given: z.output<typeof prompt>): TextCall | TokenCall {
  if (typeof given === 'string') return { kind: 'text', text: given };
  const [first] = given;
  if (typeof first === 'string') return { kind: 'text', text: first };
  const ids = Array.isArray(first) ? first : given.filter((id) => typeof id === 'number');
  return { kind: 'tokens', tokenIds: ids };
}
