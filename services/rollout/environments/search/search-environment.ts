import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { TurnSchema, type Turn } from '#proto/reward/v1/reward_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { FinishReason } from '#proto/trajectory/v1/trajectory_pb.ts';
import { CancelledError, TerminalError, TransientError, errorFrom, throwIfCancelled } from '#shared/errors.ts';
import type { Environment, Episode, EpisodeQuestion, ModelTurn, StepIo, StepOutcome } from '../environment.ts';
import { createCodec, neutralise, type Codec, type ViolationCode } from './codec.ts';
import { parseSearchOptions, type SearchOptions } from './options.ts';
import { checkCall, type SearchCall, type SearchDocument, type SearchHit, type SearchTools } from './search-tools.ts';

type ActionInit = NonNullable<MessageInitShape<typeof TurnSchema>['action']>;

/** What the policy reads after a malformed turn. Fixed texts: nothing that it wrote comes back as environment text. */
const notices: Readonly<Record<ViolationCode, string>> = {
  no_action: 'error: write one tool call or one answer',
  broken_xml: 'error: a tag is not closed or not in its place',
  broken_json: 'error: the call is not valid JSON',
  unknown_tool: 'error: there is no such tool, use websearch or scrape',
  bad_arguments: 'error: the arguments are wrong',
  two_actions: 'error: write only one call in a turn',
  many_answers: 'error: write only one answer',
  think: 'error: do not think aloud',
};

/** Searching and reading pages to answer a question: `websearch` and `scrape`, one call a turn. */
export function createSearchEnvironment(options: unknown, tools: SearchTools): Environment {
  const parsed = parseSearchOptions(options);
  const codec = createCodec(parsed.codec);
  return {
    name: 'search',
    stop: codec.stop,
    start: (question) => startEpisode(question, parsed, codec, tools),
  };
}

function startEpisode(question: EpisodeQuestion, options: SearchOptions, codec: Codec, tools: SearchTools): Episode {
  const turns: Turn[] = [];
  let violations = 0;
  let over = false;

  function record(turn: ModelTurn, action: ActionInit): void {
    const truncated = turn.finishReason === FinishReason.LENGTH || turn.finishReason === FinishReason.CONTEXT;
    turns.push(create(TurnSchema, { text: turn.text, action, truncated }));
  }

  function done(outcome: Omit<Extract<StepOutcome, { kind: 'done' }>, 'kind'>): StepOutcome {
    over = true;
    return { kind: 'done', ...outcome };
  }

  function violated(turn: ModelTurn, code: ViolationCode): StepOutcome {
    record(turn, { case: 'violation', value: { code } });
    violations += 1;
    if (turn.finishReason === FinishReason.CONTEXT) return done({ failure: FailureClass.CONTEXT_OVERFLOW });
    if (violations <= options.maxViolations)
      return { kind: 'continue', environmentText: codec.renderResult(notices[code]) };
    return done({
      failure: turn.finishReason === FinishReason.LENGTH ? FailureClass.TRUNCATED_TURN : FailureClass.MALFORMED_TURN,
    });
  }

  return {
    prompt: () => options.promptTemplate.replaceAll('{question}', () => neutralise(question.question)),
    turns: () => turns,
    async step(turn, io) {
      if (over) throw new TerminalError('internal', 'the episode is over: no further turn can be taken');
      const action = codec.parse(turn.text);
      if (action.kind === 'violation') return violated(turn, action.code);
      if (action.kind === 'answer') {
        record(turn, { case: 'answer', value: { text: action.text } });
        return done({ prediction: action.text });
      }
      const checked = checkCall(action.name, action.args);
      if (checked.kind === 'violation') return violated(turn, checked.code);
      // Nothing is recorded before the tool has answered, so that a step that failed can be tried again.
      const outcome = await runCall(checked.call, options, tools, io);
      const value = {
        name: checked.call.tool,
        succeeded: outcome.error === '',
        error: outcome.error,
        pageTitles: [...outcome.pageTitles],
      };
      record(turn, { case: 'toolCall', value });
      return {
        kind: 'continue',
        environmentText: codec.renderResult(outcome.error === '' ? outcome.text : `error: ${outcome.error}`),
      };
    },
  };
}

interface CallOutcome {
  readonly text: string;
  /** Empty when the call gave something usable. */
  readonly error: string;
  /** What the policy got to see, for retrieval rewards. */
  readonly pageTitles: readonly string[];
}

async function runCall(call: SearchCall, options: SearchOptions, tools: SearchTools, io: StepIo): Promise<CallOutcome> {
  const failed = (error: string): CallOutcome => ({ text: '', error, pageTitles: [] });
  switch (call.tool) {
    case 'websearch': {
      if (call.query === '') return failed('the query is empty');
      const hits = await withDeadline(call.tool, io, (signal) => tools.search(call.query, options.topK, { signal }));
      return hits.length === 0
        ? failed('nothing found')
        : { text: renderHits(hits, options), error: '', pageTitles: hits.map(({ title }) => title) };
    }
    case 'scrape': {
      if (call.id === '') return failed('the id is empty');
      const document = await withDeadline(call.tool, io, (signal) => tools.fetch(call.id, { signal }));
      return document === undefined
        ? failed('no page has this id')
        : { text: renderDocument(document, options), error: '', pageTitles: [document.title] };
    }
  }
}

/** A tool that fails or takes too long is infrastructure: whatever it throws becomes transient, but a bug stays terminal. */
async function withDeadline<T>(tool: string, io: StepIo, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  throwIfCancelled(io.signal);
  try {
    return await run(AbortSignal.any([io.signal, AbortSignal.timeout(io.toolTimeoutMs)]));
  } catch (thrown) {
    throwIfCancelled(io.signal);
    const error = errorFrom(thrown);
    if (error instanceof CancelledError) {
      throw new TransientError('unavailable', `${tool}: no result within ${io.toolTimeoutMs} ms`, { cause: error });
    }
    throw error;
  }
}

function renderHits(hits: readonly SearchHit[], options: SearchOptions): string {
  return hits.map((hit) => `[${hit.id}] ${hit.title}: ${cutAtWord(hit.preview, options.previewCharacters)}`).join('\n');
}

function renderDocument({ title, text }: SearchDocument, { maxDocumentCharacters }: SearchOptions): string {
  if (text.length <= maxDocumentCharacters) return `${title}: ${text}`;
  // A cut is said, never silent: the policy can know that there is more.
  return `${title}: ${cutAtWord(text, maxDocumentCharacters)} [cut: ${maxDocumentCharacters} of ${text.length} characters]`;
}

function cutAtWord(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const space = text.lastIndexOf(' ', limit);
  return text
    .slice(0, space > 0 ? space : limit)
    .toWellFormed()
    .trimEnd();
}
