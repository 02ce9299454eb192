import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TransientError } from '#platform/errors.ts';
import { findProgram, startProgram, type ContainedProgram, type ProgramEnd } from '#user-code/contained-program.ts';
import { programVariables, type UserCodeHost } from '#user-code/user-code-host.ts';
import type { EpisodeRow, StartIo } from '../../kit/environment.ts';
import { faultInWords } from '#user-code/user-code-error.ts';
import type { AgentOptions } from '../options.ts';
import type { AgentEnd } from '../reports/agent-result.ts';
import { readResultFile } from '../reports/read-result-file.ts';
import type { AgentKind, AgentSession, RunningAgent } from './agent-kind.ts';

type CommandOptions = Pick<AgentOptions, 'directory' | 'environment' | 'memory_mebibytes'>;

/** A program that each episode starts anew. Throws UserCodeError where there is no such program. */
export function createCommandAgent(
  [command = '', ...args]: readonly string[],
  options: CommandOptions,
  host: UserCodeHost,
): AgentKind {
  const { directory = '.', environment: granted, memory_mebibytes: memoryMebibytes } = options;
  const variables = programVariables(host.variables, granted);
  const program = programOf(command, directory, variables['PATH']);

  async function run(row: EpisodeRow, { seed }: StartIo, at: AgentSession, folder: string): Promise<RunningAgent> {
    const resultFile = join(folder, 'result.json');
    const env = {
      ...variables,
      OPENAI_BASE_URL: at.baseUrl,
      OPENAI_API_KEY: at.key,
      // Anthropic's clients add the version themselves.
      ANTHROPIC_BASE_URL: at.url,
      ANTHROPIC_API_KEY: at.key,
      // Its endpoint is on this machine, whatever it was granted.
      NO_PROXY: ['127.0.0.1', variables['NO_PROXY']].filter(Boolean).join(),
      no_proxy: ['127.0.0.1', variables['no_proxy']].filter(Boolean).join(),
      TMPDIR: folder,
      GRADUS_SESSION_URL: at.url,
      GRADUS_SEED: String(seed),
      GRADUS_RESULT_FILE: resultFile,
    };
    const started = await startProgram(
      {
        command: [program, ...args],
        directory,
        env,
        memoryMebibytes,
        name: { row: row.id },
        message: 'an agent prints',
      },
      host,
    );
    started.stdin.end(`${JSON.stringify({ id: row.id, data: row.data, tags: row.tags })}\n`);
    started.stdout.resume();
    const ended = endOf(started, resultFile);
    // Nobody may ask how it ended.
    ended.catch(() => {});
    return {
      ended,
      async stop() {
        started.kill();
        await started.ended;
        await ended.catch(() => {});
        await removeFolder(folder);
      },
    };
  }

  return {
    async start(row, io, at) {
      const folder = await mkdtemp(join(tmpdir(), 'gradus-agent-'));
      try {
        return await run(row, io, at, folder);
      } catch (thrown) {
        await removeFolder(folder);
        throw thrown;
      }
    },
  };
}

async function endOf({ ended }: ContainedProgram, resultFile: string): Promise<AgentEnd> {
  const end = await ended;
  // Nobody here sends these but for a limit: the system was short of memory, or somebody ended it.
  if (end.signal === 'SIGKILL' || end.signal === 'SIGTERM')
    throw new TransientError('unavailable', `the agent was ended from outside: ${wordsOf(end)}`);
  if (end.signal !== undefined) return { kind: 'failed', why: wordsOf(end) };
  if (end.exitCode === undefined) return { kind: 'over_limit', why: wordsOf(end) };
  if (end.exitCode !== 0) return { kind: 'failed', why: wordsOf(end) };
  return { kind: 'finished', result: await readResultFile(resultFile) };
}

function wordsOf({ how, lastWords }: ProgramEnd): string {
  return `${how}${lastWords === '' ? '' : `; on stderr: ${lastWords}`}`;
}

async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

function programOf(command: string, directory: string, path: string | undefined): string {
  try {
    return findProgram(command, directory, path);
  } catch (thrown) {
    throw faultInWords(`environment agent: command: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}
