import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createUserCodeHost } from '#user-code/user-code-host.ts';
import { parseOptions } from '../registry.ts';
import type { Environment, Episode, StepOutcome } from '../kit/environment.ts';
import { tools } from './index.ts';

/** A server of `server-under-test.ts`, as a recipe names it. */
export function stdioServer(name: string, mode: readonly string[] = [], more: object = {}): object {
  const program = join(import.meta.dirname, 'server-under-test.ts');
  return { name, command: [process.execPath, '--disable-warning=ExperimentalWarning', program, ...mode], ...more };
}

/** The environment as a worker opens it; it is closed with the test. */
export async function openTools(options: object, variables: NodeJS.ProcessEnv = process.env): Promise<Environment> {
  const endings: (() => void | Promise<void>)[] = [];
  const log = createLogger({ service: 'test', level: 'silent' });
  const userCode = createUserCodeHost({ log, defer: (_what, dispose) => void endings.push(dispose) }, variables);
  const retrieval = (): never => {
    throw new Error('the environment `tools` needs no retrieval');
  };
  const environment = await tools.open(parseOptions(tools, options), { retrieval, userCode });
  onTestFinished(async () => {
    await environment.close?.();
    for (const ending of endings) await ending();
  });
  return environment;
}

export interface PlayedEpisode {
  readonly episode: Episode;
  /** One call. */
  call(name: string, args?: object): Promise<StepOutcome>;
  say(text: string): Promise<StepOutcome>;
}

export async function startEpisode(
  environment: Environment,
  { toolTimeoutMs = 60_000, data = {} }: { readonly toolTimeoutMs?: number; readonly data?: object } = {},
): Promise<PlayedEpisode> {
  const { signal } = new AbortController();
  const row = { id: 'row-1', data: { question: 'What is 2 + 3?', ...data }, tags: {} };
  const episode = await environment.start(row, { signal, seed: 1n, toolTimeoutMs });
  onTestFinished(async () => await episode.close?.());
  let index = 0;
  const say = async (text: string): Promise<StepOutcome> => {
    const outcome = await episode.step({ index, text }, { signal, toolTimeoutMs });
    index += 1;
    return outcome;
  };
  return { episode, say, call: (name, args = {}) => say(`<tool>${JSON.stringify({ name, args })}</tool>`) };
}

/** A folder outside of this repository for a file of a user's. */
export function userFile(name: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'gradus-tools-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
