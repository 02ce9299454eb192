import type { ChatMessage, Conversation } from '#chat/conversation.ts';
import { TerminalError } from '#platform/errors.ts';
import type { Codec, ViolationCode } from './codec.ts';
import type { Episode, EpisodeFailure, ModelTurn, StepIo, StepOutcome } from './environment.ts';
import { callTool, type Tool } from './tools.ts';

/** What the policy reads after a malformed turn. Fixed texts: nothing that it wrote comes back as environment text. */
const notices: Readonly<Record<Exclude<ViolationCode, 'unknown_tool'>, string>> = {
  no_action: 'error: write one tool call or one answer',
  broken_xml: 'error: a tag is not closed or not in its place',
  broken_json: 'error: the call is not valid JSON',
  bad_arguments: 'error: the arguments are wrong',
  empty_answer: 'error: the answer is empty',
  two_actions: 'error: write only one call in a turn',
  many_answers: 'error: write only one answer',
  think: 'error: do not think aloud',
};

/** Violations that were attempts to call a tool. */
export const callViolations: ReadonlySet<ViolationCode> = new Set(['broken_json', 'unknown_tool', 'bad_arguments']);

/** Most tools that a notice lists. */
const mostListed = 16;

export interface ToolEpisodeOptions {
  /** Messages: then results are messages, too. */
  readonly prompt: string | Conversation;
  readonly codec: Codec;
  readonly tools: readonly Tool[];
  /** Malformed turns that get a notice; one more ends the episode. */
  readonly maxViolations: number;
  /** Called once, however the episode ended. */
  close?(): void | Promise<void>;
}

/**
 * An episode of calls and an answer, one of them a turn:
 *
 *     acting --call | forgiven violation--> acting --answer | one violation too many | context full--> over
 */
export function createToolEpisode({ prompt, codec, tools, maxViolations, close }: ToolEpisodeOptions): Episode {
  let violations = 0;
  let over = false;

  function violated(turn: ModelTurn, code: ViolationCode): StepOutcome {
    const action = { kind: 'violation', code, wasCall: callViolations.has(code) } as const;
    violations += 1;
    if (turn.cutBy !== 'context' && violations <= maxViolations)
      return { kind: 'continue', ...resultOf(noticeOf(code, tools)), action };
    over = true;
    return { kind: 'done', failure: failureOf(turn), action };
  }

  function resultOf(text: string): { readonly text: string } | { readonly messages: readonly ChatMessage[] } {
    return typeof prompt === 'string' ? { text: codec.renderResult(text) } : { messages: [codec.resultMessage(text)] };
  }

  return {
    prompt: () => prompt,
    ...(close !== undefined && { close }),
    async step(turn: ModelTurn, io: StepIo) {
      if (over) throw new TerminalError('internal', 'the episode is over: no further turn can be taken');
      const outcome = await take(turn, io);
      const visible = codec.visible(turn.text);
      return visible === undefined ? outcome : { ...outcome, visible };
    },
  };

  async function take(turn: ModelTurn, io: StepIo): Promise<StepOutcome> {
    const parsed = codec.parse(turn.text);
    if (parsed.kind === 'violation') return violated(turn, parsed.code);
    if (parsed.kind === 'answer') {
      over = true;
      return { kind: 'done', prediction: parsed.text, action: { kind: 'answer', text: parsed.text } };
    }
    // Nothing changes before the tool has answered, so that a step that failed can be tried again.
    const called = await callTool(tools, parsed, io);
    if (called.kind === 'violation') return violated(turn, called.code);
    const { result } = called;
    const said = resultOf('error' in result ? `error: ${result.error}` : result.text);
    const action = { kind: 'tool_call', name: parsed.name, arguments: parsed.args } as const;
    return 'error' in result
      ? { kind: 'continue', ...said, action: { ...action, result: '', error: result.error } }
      : {
          kind: 'continue',
          ...said,
          action: { ...action, result: result.text, ...(result.facts !== undefined && { facts: result.facts }) },
        };
  }
}

export function failureOf({ cutBy }: ModelTurn): EpisodeFailure {
  if (cutBy === 'context') return 'context_overflow';
  return cutBy === 'turn' ? 'truncated_turn' : 'malformed_turn';
}

export function noticeOf(code: ViolationCode, tools: readonly Pick<Tool, 'name'>[]): string {
  if (code !== 'unknown_tool') return notices[code];
  const names = tools.slice(0, mostListed).map(({ name }) => name);
  const listed = [names.slice(0, -1).join(', '), names.at(-1)].filter((part) => part !== '').join(' or ');
  return `error: there is no such tool, use ${listed}${tools.length > mostListed ? ' or another' : ''}`;
}
