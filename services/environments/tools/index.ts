import { z } from 'zod';
import { answerFields } from '../kit/options.ts';
import { createCodec } from '../kit/codec.ts';
import { defineEnvironment, type EpisodeRow } from '../kit/environment.ts';
import { createToolEpisode } from '../kit/tool-episode.ts';
import { toolsOptions } from './options.ts';
import { promptColumns, promptOf } from './prompt.ts';

const data = z.looseObject({ question: z.string().min(1).describe('What is asked.') });
const gold = z.looseObject(answerFields);
type Data = z.output<typeof data>;

/** Calling tools of MCP servers and of users' files to answer a question, one call a turn. */
export const tools = defineEnvironment({
  name: 'tools',
  about: 'Call tools of MCP servers and of files of your own to answer a question.',
  options: toolsOptions,
  row: { data, gold },
  columns: promptColumns,
  locate: ({ servers, files, ...options }, at) => ({
    ...options,
    servers: servers.map((server) =>
      server.command === undefined ? server : { ...server, directory: at(server.directory ?? '.') },
    ),
    files: files.map((file) => ({ ...file, path: at(file.path) })),
  }),
  speaksInMessages: ({ chat }) => chat,
  inText: { chat: false },
  scorers: ['exact_match', 'f1', 'tool_success', 'format', 'xml'],
  primaryMetric: 'exact_match',
  async open(options, clients) {
    // The SDK is loaded where it is used: every program knows this list of environments.
    const [{ createToolbox }, { createToolServers }] = await Promise.all([
      import('./toolbox.ts'),
      import('./tool-server.ts'),
    ]);
    const codec = createCodec(options.codec, options.think);
    const toolbox = createToolbox(createToolServers(options, await clients.userCode()), options);
    return {
      stop: codec.stop,
      async start(row: EpisodeRow<Data>, { signal }) {
        const { tools: listed, close } = await toolbox.open(signal);
        try {
          return createToolEpisode({
            prompt: promptOf(options, row, codec, listed),
            codec,
            tools: listed,
            maxViolations: options.max_violations,
            close,
          });
        } catch (thrown) {
          await close();
          throw thrown;
        }
      },
      async check(signal) {
        await (await toolbox.open(signal)).close();
      },
      close: () => toolbox.close(),
    };
  },
});
