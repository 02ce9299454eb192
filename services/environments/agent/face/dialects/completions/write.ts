import type { AboutReply, Sample } from '../dialect.ts';
import { finishOf, promptIdsOf, tokenIdsOf, usageOf } from '../openai-answer.ts';
import { sentEvent } from '../read-request.ts';
import type { CompletionCall } from './read.ts';

export function completion(call: CompletionCall, samples: readonly Sample[], about: AboutReply): object {
  const choices = samples.map((sample, index) => ({
    ...choiceOf(call, sample, index),
    finish_reason: finishOf(sample),
  }));
  return { ...head(call, samples, about), choices, usage: usageOf(samples) };
}

export function completionEvents(call: CompletionCall, samples: readonly Sample[], about: AboutReply): string {
  const chunk = (choices: readonly object[], more: object = {}): object => ({
    ...head(call, samples, about),
    choices,
    ...more,
  });
  const ends = samples.map((sample, index) => ({ index, text: '', logprobs: null, finish_reason: finishOf(sample) }));
  const chunks = [
    chunk(samples.map((sample, index) => ({ ...choiceOf(call, sample, index), finish_reason: null }))),
    chunk(ends),
    ...(call.includeUsage ? [chunk([], { usage: usageOf(samples) })] : []),
  ];
  return [...chunks, '[DONE]'].map((one) => sentEvent(one)).join('');
}

function head({ model }: CompletionCall, samples: readonly Sample[], { sessionId, created }: AboutReply) {
  return { id: `cmpl-${sessionId}-${samples[0]?.turn ?? 0}`, object: 'text_completion', created, model };
}

function choiceOf(call: CompletionCall, sample: Sample, index: number): object {
  return {
    index,
    text: sample.text,
    logprobs: call.logprobs ? logprobsOf(sample) : null,
    ...(call.tokenIds && { ...tokenIdsOf(sample), ...promptIdsOf([sample]) }),
  };
}

/** Null where the policy gives none. */
function logprobsOf({ sampled, tokenTexts = [] }: Sample): object | null {
  const { logprobs } = sampled ?? {};
  if (logprobs === undefined) return null;
  let at = 0;
  const offsets = tokenTexts.map((token) => (at += token.length) - token.length);
  return { tokens: tokenTexts, token_logprobs: logprobs, top_logprobs: null, text_offset: offsets };
}
