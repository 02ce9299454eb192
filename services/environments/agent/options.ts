import { z } from 'zod';
import { isLoopbackAddress } from '#platform/http/allowed-hosts.ts';
import { bindAddress } from '#platform/runtime/config.ts';
import { longestWaitMs } from '#platform/runtime/fleet-bounds.ts';
import { toolCallFormats } from './face/tool-calls/index.ts';
import { memoryOption, variablesOption } from '../kit/options.ts';

const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be a URL, for example http://127.0.0.1:9000/episodes' })
  .max(2048);
const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be the name of an environment variable');

const webhookOptions = z
  .strictObject({
    url: httpUrl.describe('Gets a POST for each episode: its row, and the base URL and key of its session.'),
    secret_env: variableName
      .optional()
      .describe(
        'Environment variable of the worker whose value is sent as a bearer token with every call of the webhook.',
      ),
    status_url: httpUrl
      .optional()
      .describe(
        'Asked with GET whether the agent has ended; `{session_id}` and `{rollout_id}` are replaced. Absent: the agent posts its result to its session.',
      ),
    poll_interval_ms: z.int().min(10).max(60_000).default(1_000).describe('Time between two looks at `status_url`.'),
    cancel_url: httpUrl
      .optional()
      .describe('Gets a DELETE when the episode ends before its agent has; with the same placeholders.'),
  })
  .describe('In the place of `command`: a server that runs the agent of each episode.');

const openOptions = z
  .strictObject({
    key_env: variableName.describe(
      'Environment variable of the worker with the key, a bearer token, that opens sessions.',
    ),
    wait_ms: z
      .int()
      .min(100)
      .max(longestWaitMs)
      .default(15_000)
      .describe(
        'How long an episode waits for somebody to open its session; then it is tried again, and absent in the end.',
      ),
  })
  .describe('In the place of `command`: anyone with a key opens sessions over HTTP, and the policy answers there.');

const sessionsOptions = z
  .strictObject({
    listen: bindAddress.describe('Where the gateway of the fleet serves sessions over HTTP, host:port.'),
    url: z
      .url({ protocol: /^https?$/, error: 'must be a URL, for example https://agents.example.org' })
      .max(2048)
      .refine((url) => !url.endsWith('/'), 'must not end with /')
      .optional()
      .describe(
        'Under which agents reach it, where that is not `http://` and `listen`: a proxy with TLS, for example.',
      ),
  })
  .describe(
    'Agents reach their sessions through the gateway, from any machine. Absent: through the worker, on its own machine.',
  );

const fields = z.strictObject({
  command: z
    .array(z.string().max(4096))
    .min(1)
    .max(256)
    .optional()
    .describe('Program and arguments of the agent; each episode starts it anew, with the row as JSON on its stdin.'),
  webhook: webhookOptions.optional(),
  open: openOptions.optional(),
  sessions: sessionsOptions.optional(),
  directory: z
    .string()
    .min(1)
    .max(4096)
    .optional()
    .describe("Working directory of `command`; the recipe's folder where it is absent."),
  environment: variablesOption.describe(
    'Environment variables of the worker that the agent gets, by name, next to what a program needs, the endpoint and its key.',
  ),
  memory_mebibytes: memoryOption
    .default(1024)
    .describe(
      'Memory of an agent with all that it starts; one that needs more is ended. A worker has as many agents as `fleet.concurrency` says.',
    ),
  start_timeout_ms: z
    .int()
    .min(100)
    .max(600_000)
    .default(14_000)
    .describe(
      'Longest time until an agent asks for the first time; a webhook has it twice, first to take the episode.',
    ),
  thinking: z.boolean().default(false).describe('The model may think before it speaks, where its template knows how.'),
  sampling: z
    .enum(['refused', 'ignored'])
    .default('refused')
    .describe(
      'What becomes of temperature, max_tokens and their like in a request, and of a `tool_choice` that forces a call: the recipe says how is sampled. `ignored` takes such requests all the same.',
    ),
  stop: z
    .array(z.string().min(1).max(256))
    .max(16)
    .default([])
    .describe(
      'A turn ends at one of these, which stays in it; for a model that has not learnt to end turns with a token of its own.',
    ),
  tool_calls: z
    .enum(toolCallFormats)
    .default('auto')
    .describe(
      'How the model writes calls of tools: `hermes` (`<tool_call>` around JSON), `qwen_xml` (`<function=…>`), `llama_json` (JSON alone), `xml` (`<tool>` around JSON), or `auto`, whichever of them a turn holds.',
    ),
  failed_exit: z
    .enum(['stop', 'malformed_turn'])
    .default('stop')
    .describe(
      'What an exit code other than 0 means. `stop`: a fault of the agent, which ends the run with its last words. `malformed_turn`: the policy made it fail.',
    ),
  rewards: z
    .array(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must start with a-z and have at most 64 of a-z, 0-9 and _'))
    .max(64)
    .default([])
    .describe(
      'Names of the rewards, 0..1, that the agent gives with its result, or that are attached to its session; none where scorers alone judge.',
    ),
  reward_timeout_ms: z
    .int()
    .min(1)
    .max(longestWaitMs)
    .optional()
    .describe(
      'How long after the end of an agent its rewards may be attached to its session; a rollout that has not all of them by then is absent. Where it is absent, the agent gives them all with its result.',
    ),
});

/** The way of an agent to its session is one of three; each of the others is of another agent. */
export const agentOptions = fields.superRefine((options, ctx) => {
  const fail = (path: string, message: string): void =>
    ctx.addIssue({ code: 'custom', path: path.split('.'), message });
  const ways = ['command', 'webhook', 'open'] as const;
  const given = ways.filter((way) => options[way] !== undefined);
  if (given.length === 0) return fail('command', 'is missing; give it, or webhook or open in its place');
  if (given.length > 1) return fail(given[1] ?? '', `stands next to ${given[0]}; give one of ${ways.join(', ')}`);
  if (options.open !== undefined && options.sessions === undefined)
    fail('sessions', 'is missing: those who open a session need an address; set sessions.listen');
  if (options.open !== undefined && options.rewards.length > 0 && options.reward_timeout_ms === undefined)
    fail('reward_timeout_ms', 'is missing: say how long a session waits for its rewards');
  const { listen = '', url } = options.sessions ?? {};
  if (url === undefined && /^(0\.0\.0\.0|\[::\]):|:0$/.test(listen))
    fail('sessions.url', 'is missing: agents cannot be told `listen`, which is no address of one machine and port');
  if (options.webhook !== undefined && options.sessions === undefined && isElsewhere(options.webhook.url))
    fail(
      'sessions',
      'is missing: another machine cannot reach sessions on 127.0.0.1; set sessions.listen and sessions.url',
    );
});

/** Also asked of what is no URL, which has been refused by then. */
function isElsewhere(url: string): boolean {
  const hostname = URL.canParse(url) ? new URL(url).hostname : '';
  return hostname !== '' && !isLoopbackAddress(`${hostname}:0`);
}

export type AgentOptions = z.output<typeof agentOptions>;
