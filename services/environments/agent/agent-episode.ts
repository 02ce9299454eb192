import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { untilCancelled } from '#platform/async/sleep.ts';
import { startProgram, type ContainedProgram, type ProgramEnd } from '#user-code/contained-program.ts';
import { UserCodeError } from '#user-code/user-code-error.ts';
import type { UserCodeHost } from '#user-code/user-code-host.ts';
import type { Episode, EpisodeRow, ModelTurn, StartIo, StepIo, StepOutcome, TurnAction } from '../kit/environment.ts';
import { readTurn } from './face/read-turn.ts';
import { refusal } from './face/refusal.ts';
import type { Asked, Session } from './face/session.ts';
import type { Face } from './face/start-face.ts';
import type { AgentOptions } from './options.ts';
import { readResult } from './read-result.ts';

/** What all agents of a worker have alike. */
export interface AgentHost {
  readonly options: AgentOptions;
  readonly host: UserCodeHost;
  readonly face: Face;
  readonly directory: string;
  readonly variables: NodeJS.ProcessEnv;
  readonly command: readonly [string, ...string[]];
}

type Next = { readonly asked: Asked } | { readonly ended: ProgramEnd };

/**
 * One agent from its first question to its end. The agent owns the loop: a step gives it the turn it waits for, and lasts until it asks again or
 * ends.
 */
export async function startAgentEpisode(agents: AgentHost, row: EpisodeRow, io: StartIo): Promise<Episode> {
  const { options, host, face } = agents;
  const folder = await mkdtemp(join(tmpdir(), 'gradus-agent-'));
  const { session, url, baseUrl, key } = face.open();
  const resultFile = join(folder, 'result.json');
  let program: ContainedProgram | undefined;

  async function close(): Promise<void> {
    session.close(refusal('episode_over', 'the episode of this session is over: it was scored, or a limit ended it'));
    face.forget(session);
    program?.kill();
    await program?.ended;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  try {
    program = await startProgram(
      {
        command: agents.command,
        directory: agents.directory,
        env: {
          ...agents.variables,
          OPENAI_BASE_URL: baseUrl,
          OPENAI_API_KEY: key,
          // Anthropic's clients add the version themselves.
          ANTHROPIC_BASE_URL: url,
          ANTHROPIC_API_KEY: key,
          // Its endpoint is on this machine, whatever it was granted.
          NO_PROXY: ['127.0.0.1', agents.variables['NO_PROXY']].filter(Boolean).join(),
          no_proxy: ['127.0.0.1', agents.variables['no_proxy']].filter(Boolean).join(),
          TMPDIR: folder,
          GRADUS_SEED: String(io.seed),
          GRADUS_RESULT_FILE: resultFile,
        },
        memoryMebibytes: options.memory_mebibytes,
        name: { row: row.id },
        message: 'an agent prints',
      },
      host,
    );
    program.stdin.end(`${JSON.stringify({ id: row.id, data: row.data, tags: row.tags })}\n`);
    program.stdout.resume();
    const first = await nextOf(session, program, { ...io, toolTimeoutMs: options.start_timeout_ms });
    if ('ended' in first) throw neverAsked(first.ended);
    if (!('opening' in first.asked)) throw new TypeError('a session begins with the opening of a conversation');
    return createEpisode({ ...agents, session, program, resultFile, opening: first.asked.opening, close });
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

interface Played extends AgentHost {
  readonly session: Session;
  readonly program: ContainedProgram;
  readonly resultFile: string;
  readonly opening: ReturnType<Episode['prompt']>;
  close(): Promise<void>;
}

function createEpisode({ options, session, program, resultFile, opening, close }: Played): Episode {
  let answered = -1;

  async function endOf(end: ProgramEnd): Promise<StepOutcome> {
    if (end.exitCode !== 0) {
      // A limit of its process is never the policy's.
      if (end.exitCode === undefined) throw failed(end);
      if (session.overflown()) return { kind: 'done', failure: 'context_overflow' };
      if (options.failed_exit === 'stop') throw failed(end);
      return { kind: 'done', failure: 'malformed_turn' };
    }
    const result = await readResult(resultFile);
    const heard = session.heard();
    const { prediction = heard?.calls.length === 0 ? heard.text : undefined } = result;
    const answer =
      prediction === undefined ? {} : { prediction, action: { kind: 'answer', text: prediction } as const };
    const metrics = { ...result.metrics, conversations: session.conversations() };
    return { kind: 'done', ...result, ...answer, metrics };
  }

  return {
    prompt: () => opening,
    close,
    async step(turn: ModelTurn, io: StepIo): Promise<StepOutcome> {
      const said = readTurn(turn.text, turn.index);
      // A step that is tried again waits on: the agent has its turn.
      if (turn.index !== answered) {
        answered = turn.index;
        session.answer({ turn: turn.index, ...said, cut: turn.cutBy !== undefined, tokens: turn.tokens });
      }
      const next = await nextOf(session, program, io);
      const action = actionOf(said, session);
      if ('ended' in next) return await endOf(next.ended);
      if (turn.cutBy === 'context') return { kind: 'done', failure: 'context_overflow', ...action };
      const { branch: role, ...asked } = next.asked;
      return 'opening' in asked
        ? { kind: 'continue', role, prompt: asked.opening, ...action }
        : { kind: 'continue', role, messages: asked.following, ...action };
    },
  };
}

/** Of several calls in one turn scorers see the first. */
function actionOf({ calls: [call] }: ReturnType<typeof readTurn>, session: Session): { readonly action?: TurnAction } {
  if (call === undefined) return {};
  const result = session.toolResults().get(call.id) ?? '';
  // Made of an object by `readTurn`.
  const args = JSON.parse(call.arguments) as Readonly<Record<string, unknown>>;
  return { action: { kind: 'tool_call', name: call.name, arguments: args, result } };
}

/** What the agent does next, within the time of a tool. */
async function nextOf(session: Session, program: ContainedProgram, io: StepIo): Promise<Next> {
  using deadline = deadlineSignal(io.signal, io.toolTimeoutMs, 'the agent, which neither asked the model nor ended,');
  const next = Promise.race([
    session.asked().then((asked): Next => ({ asked })),
    program.ended.then((ended): Next => ({ ended })),
  ]);
  return await untilCancelled(next, deadline.signal);
}

function failed({ how, lastWords }: ProgramEnd): UserCodeError {
  const message = `the agent failed: ${how}${lastWords === '' ? '' : `; on stderr: ${lastWords}`}`;
  return new UserCodeError(message, { trace: message });
}

function neverAsked(end: ProgramEnd): UserCodeError {
  if (end.exitCode !== 0) return failed(end);
  const message =
    'the agent ended before it asked the model: let it use OPENAI_BASE_URL and OPENAI_API_KEY, or those of ANTHROPIC';
  return new UserCodeError(message, { trace: message });
}
