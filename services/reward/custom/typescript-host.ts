/**
 * Runs one scorer written in TypeScript, in a process of its own: `typescript-host.ts FILE`. Requests and replies are lines
 * of JSON on descriptor 3 (`scorer-process.ts`); what the scorer prints does not meet them. Ends when that descriptor closes.
 */
import { Socket } from 'node:net';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import type { Episode } from './define-scorer.ts';
import { createLineSplitter } from '#user-code/line-splitter.ts';
import { resolveForUsers } from '#user-code/user-imports.ts';

interface Loaded {
  readonly parse: (settings: unknown) => unknown;
  readonly score: (episode: Episode, settings: unknown) => unknown;
}

interface Request {
  readonly id: number;
  /** Absent: only the settings are checked. */
  readonly episode?: Episode;
  readonly settings: unknown;
}

const longestMessage = 8192;
const file = resolve(process.argv[2] ?? '');
const channel = new Socket({ fd: 3 });
const say = (message: object): void => void channel.write(`${JSON.stringify(message)}\n`);

class SettingsError extends Error {}

resolveForUsers('gradus/scorer', import.meta.resolve('./define-scorer.ts'));

async function load(): Promise<Loaded> {
  const exported = objectOf(await import(pathToFileURL(file).href))['default'];
  if (typeof exported !== 'object' || exported === null) {
    throw new Error('it has no default export; write: export default defineScorer({ score(episode, settings) { … } })');
  }
  const { score, settings } = objectOf(exported);
  if (typeof score !== 'function') throw new Error('its default export has no function `score`');
  return { parse: parserOf(settings), score: (episode, parsed): unknown => score.call(exported, episode, parsed) };
}

function parserOf(schema: unknown): Loaded['parse'] {
  if (schema === undefined) {
    return (settings) => {
      const [unknown] = Object.keys(objectOf(settings));
      if (unknown !== undefined) throw new SettingsError(`unknown setting ${JSON.stringify(unknown)}; it has none`);
      return {};
    };
  }
  const { safeParse } = objectOf(schema);
  if (typeof safeParse !== 'function') throw new Error('its `settings` is not a schema; write z.strictObject({ … })');
  return (settings) => {
    const { success, data, error } = objectOf(safeParse.call(schema, settings));
    if (success !== true) throw new SettingsError(problemsOf(error));
    return data;
  };
}

/** Zod's issues, one after the other: path, then message. */
function problemsOf(error: unknown): string {
  const { issues } = objectOf(error);
  if (!Array.isArray(issues)) return inspect(error);
  return issues
    .map((issue: unknown) => {
      const { path, message } = objectOf(issue);
      const names = Array.isArray(path) ? path.map(String) : [];
      return [...names, String(message)].join(': ');
    })
    .join('; ');
}

function objectOf(value: unknown): Record<string, unknown> {
  // Not a copy: what a schema can do stands on its prototype.
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

async function replyTo({ parse, score }: Loaded, { episode, settings }: Request): Promise<object> {
  try {
    const parsed = parse(settings);
    return episode === undefined ? { checked: true } : scoreReply(await score(episode, parsed));
  } catch (error) {
    if (error instanceof SettingsError) return { badSettings: error.message.slice(0, longestMessage) };
    return { threw: textOf(error) };
  }
}

function scoreReply(value: unknown): object {
  const number = typeof value === 'boolean' ? Number(value) : value;
  if (typeof number !== 'number') return { noNumber: inspect(value).slice(0, 200) };
  return Number.isFinite(number) ? { score: number } : { notFinite: String(number) };
}

function textOf(error: unknown): string {
  return (error instanceof Error ? (error.stack ?? error.message) : inspect(error)).slice(0, longestMessage);
}

try {
  const scorer = await load();
  const answer = (line: string): void => {
    // Our own service wrote it.
    const request = JSON.parse(line) as Request;
    void replyTo(scorer, request).then((reply) => say({ id: request.id, ...reply }));
  };
  // Not readline: it also ends a line at U+2028 and U+2029, which JSON leaves as they are within a text.
  channel.on(
    'data',
    createLineSplitter(Infinity, answer, () => {}),
  );
  channel.on('close', () => process.exit());
  say({ ready: true });
} catch (error) {
  channel.write(`${JSON.stringify({ failed: textOf(error) })}\n`, () => process.exit(1));
}
