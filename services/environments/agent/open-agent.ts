import { UserCodeError } from '#user-code/user-code-error.ts';
import { findProgram } from '#user-code/contained-program.ts';
import { programVariables, type UserCodeHost } from '#user-code/user-code-host.ts';
import type { Environment, EpisodeRow } from '../kit/environment.ts';
import { startAgentEpisode, type AgentHost } from './agent-episode.ts';
import { startFace } from './face/start-face.ts';
import type { AgentOptions } from './options.ts';

type Data = Readonly<Record<string, unknown>>;

/** Agents of one worker: each episode has a program and a session of its own. Throws UserCodeError where there is no such program. */
export async function openAgent(options: AgentOptions, host: UserCodeHost): Promise<Environment<Data>> {
  const directory = options.directory ?? '.';
  const variables = programVariables(host.variables, options.environment);
  const [command = '', ...args] = options.command;
  const program = programOf(command, directory, variables['PATH']);
  const face = await startFace(options);
  const agents: AgentHost = { options, host, face, directory, variables, command: [program, ...args] };
  return {
    stop: [],
    outsideText: true,
    rewards: options.rewards,
    start: async (row: EpisodeRow<Data>, io) => await startAgentEpisode(agents, row, io),
    close: () => face.close(),
  };
}

function programOf(command: string, directory: string, path: string | undefined): string {
  try {
    return findProgram(command, directory, path);
  } catch (thrown) {
    const message = `environment agent: command: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
    // Where we noticed it helps nobody.
    throw new UserCodeError(message, { trace: message });
  }
}
