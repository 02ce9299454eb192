import { basename, extname } from 'node:path';
import { z } from 'zod';
import {
  checkSystemPrompt,
  codecOption,
  maxViolationsOption,
  memoryOption,
  systemPromptOption,
  thinkOption,
  variablesOption,
} from '../kit/options.ts';

const name = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,31}$/, 'must start with a-z and have at most 32 of a-z, 0-9, _ and -')
  .describe('Name of the server; the prefix of its tools where two servers have a tool of one name.');

const environment = variablesOption.describe(
  'Environment variables of the worker that its process gets, by name; it gets PATH and these, no others.',
);

const session = z
  .enum(['shared', 'per_episode'])
  .default('shared')
  .describe('`per_episode`: each episode has a session of its own, for tools that keep state. `shared`: all use one.');

const memoryMebibytes = memoryOption
  .default(512)
  .describe('Memory of its process with all that it starts; more ends it.');

const server = z
  .strictObject({
    name,
    command: z
      .array(z.string().max(4096))
      .min(1)
      .max(256)
      .optional()
      .describe('Program and arguments of a server that speaks MCP over stdio.'),
    directory: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe("Working directory of `command`; the recipe's folder where it is absent."),
    environment,
    memory_mebibytes: memoryMebibytes,
    url: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Address of a server that speaks MCP over streamable HTTP.'),
    bearer_variable: z
      .string()
      .min(1)
      .max(128)
      .optional()
      .describe('Environment variable of the worker that holds the bearer token for `url`.'),
    session,
  })
  .superRefine(({ command, directory, url, bearer_variable: bearer }, ctx) => {
    const problem = (path: string, message: string): void => ctx.addIssue({ code: 'custom', path: [path], message });
    if ((command === undefined) === (url === undefined)) problem('command', 'give exactly one of command and url');
    if (url === undefined && bearer !== undefined) problem('bearer_variable', 'belongs to url');
    if (command === undefined && directory !== undefined) problem('directory', 'belongs to command');
  });

const file = z.strictObject({
  path: z
    .string()
    .min(1)
    .max(4096)
    .describe('A TypeScript file whose default export is `tools({ … })` of gradus/tools; relative to the recipe.'),
  environment,
  memory_mebibytes: memoryMebibytes,
  session,
});

export const toolsOptions = z
  .strictObject({
    servers: z.array(server).max(64).default([]).describe('MCP servers whose tools the policy may call.'),
    files: z.array(file).max(64).default([]).describe('Files with tools of your own.'),
    allow: z
      .array(z.string().min(1).max(256))
      .max(4096)
      .optional()
      .describe('Tools that the policy may call, as `tool` or `server.tool`; absent: all that are listed.'),
    max_tools: z.int().min(1).max(4096).default(64).describe('Most tools of all servers together.'),
    prompt_template: z
      .string()
      .min(1)
      .max(65_536)
      .default(
        'You have these tools, one a line, with the JSON schema of what they take:\n{tools}\n\n' +
          'Call a tool with {call} and read its result. Give your answer with {answer}.\n\n{question}\n',
      )
      .describe(
        'First prompt of an episode, with `chat` the message of the user. `{tools}` is replaced by the tools, `{call}` and `{answer}` by how they are written, `{…}` by a column of the row.',
      ),
    chat: z
      .boolean()
      .default(false)
      .describe("Speak in messages, in the model's own chat template; with codec `hermes` it lists the tools."),
    system_prompt: systemPromptOption(65_536).describe(
      'Message of the system, with the same names in braces; needs `chat: true`.',
    ),
    codec: codecOption,
    think: thinkOption,
    max_violations: maxViolationsOption,
    max_result_characters: z
      .int()
      .min(100)
      .max(10_000_000)
      .default(8_000)
      .describe('Most characters of a result that the policy sees; a cut is marked in the text.'),
    max_message_mebibytes: z
      .int()
      .min(1)
      .max(1024)
      .default(16)
      .describe('Largest message of a server; one that sends more is ended.'),
    max_sessions: z
      .int()
      .min(1)
      .max(4096)
      .default(64)
      .describe('Episodes of one worker that have sessions of their own at once; others wait to start.'),
    start_timeout_ms: z
      .int()
      .min(100)
      .max(600_000)
      .default(30_000)
      .describe('Longest time until a server has started and listed its tools.'),
  })
  .superRefine(checkSystemPrompt)
  .superRefine(({ servers, files }, ctx) => {
    if (servers.length + files.length === 0)
      ctx.addIssue({ code: 'custom', path: ['servers'], message: 'name at least one server or file' });
    const names = [...servers.map(({ name: one }) => one), ...files.map(({ path }) => toolboxName(path))];
    const twice = names.find((one, index) => names.indexOf(one) !== index);
    if (twice !== undefined)
      ctx.addIssue({ code: 'custom', path: ['servers'], message: `the name '${twice}' is given twice` });
  });

export type ToolsOptions = z.output<typeof toolsOptions>;
export type ServerOptions = ToolsOptions['servers'][number];
export type FileOptions = ToolsOptions['files'][number];

/** A file's tools go by its name without extension. */
export function toolboxName(path: string): string {
  return basename(path, extname(path));
}
