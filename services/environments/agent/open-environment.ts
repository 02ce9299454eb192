import { readKeyVariable } from '#endpoint/api-key.ts';
import { TerminalError } from '#platform/errors.ts';
import type { UserCodeHost } from '#user-code/user-code-host.ts';
import type { Environment, EpisodeRow } from '../kit/environment.ts';
import type { EnvironmentClients } from '../kit/clients.ts';
import { startAgentEpisode, type AgentHost } from './agent-episode.ts';
import { faultInWords } from '#user-code/user-code-error.ts';
import { startFace } from './face/start-face.ts';
import type { AgentKind } from './kinds/agent-kind.ts';
import { createCommandAgent } from './kinds/command-agent.ts';
import { createOpenedAgent } from './kinds/opened-agent.ts';
import { createWebhookAgent } from './kinds/webhook-agent.ts';
import type { AgentOptions } from './options.ts';
import { addReportRoutes, type OpenReports } from './reports/report-routes.ts';

type Data = Readonly<Record<string, unknown>>;

/** Agents of one worker: each episode has a session of its own. Throws UserCodeError where an agent cannot be started as the options say. */
export async function openAgents(
  options: AgentOptions,
  { userCode, tokens, forms, sessions: served }: Pick<EnvironmentClients, 'userCode' | 'tokens' | 'forms' | 'sessions'>,
): Promise<Environment<Data>> {
  const kind = kindOf(options, await userCode());
  const reports: OpenReports = new Map();
  const { sessions, thinking, sampling, tool_calls: toolCalls } = options;
  const face = await startFace(
    { thinking, sampling, toolCalls },
    {
      tokens,
      forms,
      // Where no worker announces them, as in a replay, they are reached here.
      ...(sessions && served && { ...served, reachedAt: sessions.url ?? `http://${sessions.listen}` }),
      addRoutes(app, sessionOf) {
        addReportRoutes(app, sessionOf, reports);
        kind.addRoutes?.(app);
      },
    },
  );
  try {
    const announced = sessions && (await served?.announce({ ...face, opens: kind.addRoutes !== undefined }));
    const agents: AgentHost = { options, kind, face, reports };
    return {
      stop: options.stop,
      outsideText: true,
      rewards: options.rewards,
      start: async (row: EpisodeRow<Data>, io) => await startAgentEpisode(agents, row, io),
      async close() {
        announced?.[Symbol.dispose]();
        await face.close();
      },
    };
  } catch (thrown) {
    await face.close();
    // A gateway that serves no sessions has to be started otherwise.
    throw thrown instanceof TerminalError ? faultInWords(`environment agent: sessions: ${thrown.message}`) : thrown;
  }
}

function kindOf(options: AgentOptions, host: UserCodeHost): AgentKind {
  const { command, webhook, open } = options;
  if (command !== undefined) return createCommandAgent(command, options, host);
  if (webhook !== undefined) {
    const { secret_env: name } = webhook;
    const secret = name === undefined ? undefined : secretOf('webhook.secret_env', name, host);
    return createWebhookAgent(webhook, { secret, startTimeoutMs: options.start_timeout_ms, log: host.log });
  }
  // The options have one of the three.
  if (open === undefined) throw new TypeError('there is no agent');
  return createOpenedAgent(open, secretOf('open.key_env', open.key_env, host));
}

function secretOf(option: string, name: string, { variables }: UserCodeHost): string {
  try {
    return readKeyVariable(`environment agent: ${option}`, name, variables);
  } catch (thrown) {
    throw faultInWords(thrown instanceof Error ? thrown.message : String(thrown));
  }
}
