import { expect, test } from 'vitest';
import { agentOptions } from './options.ts';

const sessions = { listen: '127.0.0.1:8090' };
const open = { key_env: 'KEY' };
const webhook = { url: 'http://127.0.0.1:9000' };

test.each([
  [{ command: ['agent'] }],
  [{ webhook }],
  [{ webhook: { url: 'https://agents.example.org/a' }, sessions }],
  [{ open, sessions }],
  [{ open, sessions, rewards: ['thumbs'], reward_timeout_ms: 1 }],
])('an agent is one of three: %j', (options) => {
  expect(agentOptions.safeParse(options).success).toBe(true);
});

test.each([
  [{}, 'command', 'is missing; give it, or webhook or open in its place'],
  [{ command: ['agent'], webhook }, 'webhook', 'stands next to command; give one of command, webhook, open'],
  [{ open }, 'sessions', 'is missing: those who open a session need an address; set sessions.listen'],
  [
    { open, sessions, rewards: ['thumbs'] },
    'reward_timeout_ms',
    'is missing: say how long a session waits for its rewards',
  ],
  [
    { webhook: { url: 'http://10.0.0.1/a' } },
    'sessions',
    expect.stringContaining('another machine cannot reach sessions'),
  ],
  [{ webhook: { url: 'file:///etc/passwd' } }, 'webhook.url', expect.stringContaining('must be a URL')],
  [{ webhook: { url: 'agents' } }, 'webhook.url', expect.stringContaining('must be a URL')],
  [{ webhook: { ...webhook, secret: 'sesame' } }, 'webhook', expect.stringContaining('secret')],
  [{ open: { key_env: 'a b' }, sessions }, 'open.key_env', 'must be the name of an environment variable'],
  [{ open, sessions: { listen: '8090' } }, 'sessions.listen', expect.stringContaining('must be host:port')],
  [{ open, sessions: { listen: '0.0.0.0:8090' } }, 'sessions.url', expect.stringContaining('agents cannot be told')],
  [{ open, sessions: { listen: '127.0.0.1:0' } }, 'sessions.url', expect.stringContaining('agents cannot be told')],
  [{ open, sessions: { ...sessions, url: 'https://x.org/' } }, 'sessions.url', 'must not end with /'],
])('what is no agent is refused with the option and what to do: %j', (options, path, message) => {
  const issues = agentOptions.safeParse(options).error?.issues ?? [];
  expect(issues.map((issue) => [issue.path.join('.'), issue.message])).toEqual([[path, message]]);
});
