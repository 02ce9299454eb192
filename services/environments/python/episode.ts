import type { ChatMessage, Conversation } from '#chat/conversation.ts';
import type { Episode, EpisodeRow, StartIo, StepOutcome } from '../kit/environment.ts';
import type { Home } from '../kit/processes.ts';
import { UserCodeError } from '#user-code/user-code-error.ts';
import { withoutStop } from '../kit/codec.ts';
import { scaleReward } from '../kit/options.ts';
import type { PythonOptions } from './options.ts';
import type { HostReply, Said } from './reply.ts';

/** Longest time of close. */
const closeMs = 10_000;

export async function createPythonEpisode(
  episode: string,
  row: EpisodeRow,
  home: Home<HostReply>,
  options: PythonOptions,
  io: StartIo,
): Promise<Episode> {
  const seed = Number(BigInt.asUintN(31, io.seed));
  const prompt = await begin();
  return {
    prompt: () => prompt,
    async step({ text }, stepIo): Promise<StepOutcome> {
      const written = withoutStop(text, options.stop);
      const reply = await home.ask('step', { op: 'step', episode, text: written }, stepIo);
      if (!('done' in reply)) throw new TypeError('host.py answered a step with a reply of another kind');
      const { done, text: said, metrics, prediction } = reply;
      if (!done) {
        const next = continuing(said, typeof prompt !== 'string');
        const action = { kind: 'tool_call', name: 'step', arguments: { text: written }, result: plain(said) } as const;
        return { kind: 'continue', ...next, action };
      }
      const rewards = scaled(reply.rewards, options);
      return { kind: 'done', rewards, metrics: namedMetrics(metrics), ...(prediction !== undefined && { prediction }) };
    },
    async close() {
      const alive = home.alive;
      home.leave();
      // Where its process has ended there is nothing left to close.
      const closing = { signal: new AbortController().signal, toolTimeoutMs: closeMs };
      if (alive) await home.ask('close', { op: 'close', episode }, closing);
    },
  };

  async function begin(): Promise<string | Conversation> {
    const given = { id: row.id, data: row.data, tags: row.tags, seed };
    try {
      const reply = await home.ask('reset', { op: 'start', episode, row: given }, io);
      if (!('text' in reply)) throw new TypeError('host.py answered a reset with a reply of another kind');
      return typeof reply.text === 'string' ? reply.text : { messages: messagesOf(reply.text) };
    } catch (thrown) {
      home.leave();
      throw thrown;
    }
  }
}

/** An episode that began with messages goes on with messages. */
function continuing(
  said: Said,
  chat: boolean,
): { readonly text: string } | { readonly messages: readonly ChatMessage[] } {
  if (chat) return { messages: messagesOf(typeof said === 'string' ? [{ role: 'user', content: said }] : said) };
  if (typeof said === 'string') return { text: said };
  throw new UserCodeError('step gave messages where reset gave text; give messages in both, or in neither');
}

function messagesOf(said: Exclude<Said, string>): ChatMessage[] {
  return said.map(({ role, content }) => ({ role, content: [{ text: content }] }));
}

function plain(said: Said): string {
  return typeof said === 'string' ? said : said.map(({ content }) => content).join('\n');
}

function scaled(
  rewards: Readonly<Record<string, number>>,
  { rewards: names, ...bounds }: PythonOptions,
): Record<string, number> {
  const unknown = Object.keys(rewards).filter((name) => !names.includes(name));
  if (unknown.length > 0)
    throw new UserCodeError(
      `step gave the reward ${unknown.join(', ')}; the option rewards names: ${names.join(', ')}`,
    );
  return Object.fromEntries(Object.entries(rewards).map(([name, value]) => [name, scaleReward(value, bounds)]));
}

/** Keys of `info` and names of rubric functions are what they are: what no name of a metric has becomes _. */
function namedMetrics(metrics: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, value]) => [
      name
        .replaceAll(/[^A-Za-z0-9_]/g, '_')
        .replace(/^(?![A-Za-z])/, 'm_')
        .slice(0, 64),
      value,
    ]),
  );
}
