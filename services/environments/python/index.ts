import { accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { unreadable } from '#platform/files/file-error.ts';
import { createProcessOutput } from '#user-code/process-output.ts';
import { programVariables, type UserCodeHost } from '#user-code/user-code-host.ts';
import { startUserProcess } from '#user-code/user-process.ts';
import { defineEnvironment, type Environment } from '../kit/environment.ts';
import { createProcesses } from '../kit/processes.ts';
import { createPythonEpisode } from './episode.ts';
import { pythonOptions, type PythonOptions } from './options.ts';
import { hostReply } from './reply.ts';

type Data = Readonly<Record<string, unknown>>;

/** A user's Python class, or an environment of verifiers, in processes with limits. */
export const python = defineEnvironment({
  name: 'python',
  about: 'Play an environment written in a Python file of your own.',
  options: pythonOptions,
  row: {
    data: z.record(z.string(), z.unknown()).describe('What reset(row) gets as `row["data"]`.'),
    gold: z.record(z.string(), z.unknown()).describe('What scorers compare with, if there are any.'),
  },
  locate: (options, at) => ({ ...options, path: at(options.path) }),
  rewards: ['environment_reward'],
  rewardsOf: ({ rewards }) => rewards,
  primaryMetric: 'reward',
  open: async (options, { userCode }) => await openPython(options, await userCode()),
});

/** Longest reply of one call: a text that the policy reads. */
const maxReplyBytes = 4 * 2 ** 20;

/** Loads the file in a first process. `TerminalError` failed_precondition naming it where that fails. */
export async function openPython(options: PythonOptions, host: UserCodeHost): Promise<Environment<Data>> {
  const file = resolve(options.path);
  try {
    accessSync(file, constants.R_OK);
  } catch (cause) {
    throw new TerminalError('failed_precondition', `environment python: path: '${file}': ${unreadable(cause)}`, {
      cause,
    });
  }
  const settings = { class: options.class ?? null, options: options.options };
  const output = createProcessOutput(host.log, { file }, 'an environment prints');
  const start = async (signal: AbortSignal) =>
    await startUserProcess(
      {
        command: options.python,
        args: [join(import.meta.dirname, 'host.py'), file, String(options.memory_mebibytes), JSON.stringify(settings)],
        env: programVariables(host.variables, options.environment),
        memoryMebibytes: options.memory_mebibytes,
        containment: host.containment,
        guardian: host.guardian,
        startTimeoutMs: options.start_timeout_ms,
        output,
        reply: hostReply,
        awaited: 'answer',
        maxReplyBytes,
      },
      signal,
    );
  const first = await start(new AbortController().signal);
  if ('kind' in first)
    throw new TerminalError('failed_precondition', `environment python: ${file} cannot be used: ${first.detail}`);
  const processes = createProcesses(first, {
    file,
    processes: options.processes,
    callsAtOnce: 1,
    timeoutMs: options.timeout_ms,
    start,
  });
  let episodes = 0;
  return {
    stop: options.stop,
    outsideText: true,
    async start(row, io) {
      episodes += 1;
      return await createPythonEpisode(`${episodes}`, row, processes.enter(row.id), options, io);
    },
    close: async () => await processes[Symbol.asyncDispose](),
  };
}
