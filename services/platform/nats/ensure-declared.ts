/**
 * Makes streams as they are declared. What exists with other settings is corrected with a line in the log; what a server cannot
 * change is refused, all of it at once and before anything is made.
 */
import { JetStreamApiError } from '@nats-io/jetstream';
import type { StreamConfig, StreamInfo } from '@nats-io/jetstream';

import { retry } from '../async/retry.ts';
import { TerminalError } from '../errors.ts';
import type { Nats } from './connect.ts';
import { fitToStore, isNoRoom, isNoSpace } from './fit-to-store.ts';
import { errorFromNats, isMissingResource, isNameTaken } from './nats-errors.ts';
import type { StreamBounds } from './store-bounds.ts';
import { describe, differencesOf, isFixed, subjectsOverlap } from './stream-settings.ts';
import type { Settings } from './stream-settings.ts';

export interface DeclaredStream {
  readonly name: string;
  readonly subjects: readonly string[];
  /** All but its name and size. */
  readonly settings: Settings;
  readonly bounds: StreamBounds;
  /** Asked for by anyone who starts it; otherwise a size that somebody has set stays. */
  readonly wantedBytes: number | undefined;
}

/** Safe to call from every process, at the same time. */
export async function ensureDeclared(
  nats: Nats,
  declared: readonly DeclaredStream[],
  /** Brought up to date where they exist, and not made. */
  ifPresent: readonly DeclaredStream[] = [],
): Promise<void> {
  // At different times: those who start together would only be in each other's way again.
  await retry(() => ensureOnce(nats, declared, ifPresent), {
    attempts: 8,
    baseMs: 200,
    maxMs: 1_000,
    errorOf: (thrown) => errorFromNats(thrown, 'making the streams'),
    mayPass: (_error, thrown) => isPassing(thrown),
  });
}

/**
 * Others make the same streams at this moment: they take the room, or the server (2.9) fails over two requests for one name. What they
 * have made is not missing at the next try.
 */
function isPassing(error: unknown): boolean {
  return isNoSpace(error) || isNoRoom(error) || (error instanceof JetStreamApiError && error.status >= 500);
}

async function ensureOnce(
  nats: Nats,
  declared: readonly DeclaredStream[],
  ifPresent: readonly DeclaredStream[],
): Promise<void> {
  const all = [...declared, ...ifPresent];
  const present = await Promise.all(all.map((each) => infoOf(nats, each.name)));
  const missing = declared.filter((_, index) => present[index] === undefined);
  const found = all.flatMap((each, index) => {
    const info = present[index];
    return info === undefined ? [] : [{ declared: each, info }];
  });
  const problems = found.flatMap((each) => problemsOf(each.declared, each.info));
  if (missing.length > 0) problems.push(...(await overlapping(nats, declared, missing)));
  if (problems.length > 0) throw refused(problems);
  for (const each of found) problems.push(...(await correct(nats, each.declared, each.info)));
  if (problems.length > 0) throw refused(problems);
  const sizes = await fitToStore(nats, missing);
  for (const each of missing) await add(nats, each, sizes.get(each.name) ?? each.bounds.defaultBytes);
}

async function infoOf(nats: Nats, name: string): Promise<StreamInfo | undefined> {
  try {
    return await nats.jsm.streams.info(name);
  } catch (error) {
    if (isMissingResource(error)) return undefined;
    throw errorFromNats(error, `stream ${name}`);
  }
}

function sizeOf({ wantedBytes, bounds }: DeclaredStream, { config, state }: StreamInfo): number {
  // A stream that somebody made smaller or larger stays so, unless a size is asked for; one without a bound gets one.
  return wantedBytes ?? (config.max_bytes > 0 ? config.max_bytes : Math.max(bounds.defaultBytes, state.bytes));
}

function problemsOf(declared: DeclaredStream, info: StreamInfo): string[] {
  const { name, settings } = declared;
  const { bytes, messages } = info.state;
  const unchangeable = differencesOf(info.config, settings)
    .filter(isFixed)
    .map((each) => `stream ${name}: ${describe(each)}, and a server cannot change that; ${remedy(name)}`);
  // The server would drop the oldest messages of a stream that is made smaller, also of one that refuses when it is full.
  const size = sizeOf(declared, info);
  const isTooSmall = settings['discard'] === 'new' && size < bytes;
  const small = `stream ${name} holds ${bytes} bytes in ${messages} messages, and a size of ${size} bytes would drop some of them; wait until it is emptied, or give it more`;
  return isTooSmall ? [...unchangeable, small] : unchangeable;
}

function remedy(name: string): string {
  return `if nobody needs its content, delete it (nats stream rm ${name}) and start again: it is made anew`;
}

/** Subjects belong to one stream each. */
async function overlapping(
  nats: Nats,
  declared: readonly DeclaredStream[],
  missing: readonly DeclaredStream[],
): Promise<string[]> {
  const problems: string[] = [];
  for await (const { config } of nats.jsm.streams.list()) {
    if (declared.some(({ name }) => name === config.name)) continue;
    for (const { name, subjects } of missing) {
      const taken = (config.subjects ?? []).filter((theirs) => subjects.some((ours) => subjectsOverlap(ours, theirs)));
      if (taken.length === 0) continue;
      problems.push(
        `stream ${config.name}: subjects is ${JSON.stringify(taken)}, which stream ${name} needs for itself (${subjects.join(', ')}); ` +
          `give it other subjects (nats stream edit ${config.name} --subjects=...), or delete it (nats stream rm ${config.name})`,
      );
    }
  }
  return problems;
}

/** Gives what the server refuses. */
async function correct(nats: Nats, declared: DeclaredStream, info: StreamInfo): Promise<string[]> {
  const { name, settings } = declared;
  const differences = differencesOf(info.config, { ...settings, max_bytes: sizeOf(declared, info) });
  if (differences.length === 0) return [];
  for (const { setting, is, needed } of differences)
    nats.log.warn({ stream: name, setting, was: is, now: needed }, 'a stream has another setting; it is corrected');
  try {
    await nats.jsm.streams.update(name, configFor({ ...info.config }, differences));
    return [];
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || isNoSpace(error)) throw error;
    const what = differences.map(describe).join('; ');
    return [`stream ${name}: ${what}, and the server does not change it (${error.message}); ${remedy(name)}`];
  }
}

async function add(nats: Nats, { name, settings }: DeclaredStream, maxBytes: number): Promise<void> {
  const wanted = Object.entries(settings).filter(([, needed]) => needed !== undefined);
  const config = configFor(
    { name, max_bytes: maxBytes },
    wanted.map(([setting, needed]) => ({ setting, needed })),
  );
  try {
    await nats.jsm.streams.add({ ...config, name });
  } catch (error) {
    // Another process was faster, with the same declaration.
    if (!isNameTaken(error)) throw error;
  }
}

function configFor(
  base: Partial<StreamConfig>,
  changes: readonly { readonly setting: string; readonly needed: unknown }[],
): Partial<StreamConfig> {
  for (const { setting, needed } of changes) Reflect.set(base, setting, needed);
  return base;
}

function refused(problems: readonly string[]): TerminalError {
  return new TerminalError(
    'failed_precondition',
    problems.length === 1
      ? (problems[0] ?? '')
      : `the streams of the NATS server cannot be used as they are:\n${problems.map((each) => `- ${each}`).join('\n')}`,
    { details: { problems } },
  );
}
