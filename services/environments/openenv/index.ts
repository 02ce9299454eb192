import { z } from 'zod';
import { TransientError, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import { createCodec, cutText, neutralise } from '../kit/codec.ts';
import { defineEnvironment, type Environment, type EpisodeRow, type StartIo } from '../kit/environment.ts';
import { UserCodeError } from '#user-code/user-code-error.ts';
import { createTextEpisode } from './text-episode.ts';
import { createCallEpisode } from './call-episode.ts';
import { observationText, textOf } from './observation.ts';
import { openenvOptions, type OpenenvOptions } from './options.ts';
import { rewardName } from './reward.ts';
import { openSession, sessionUrl, type Observed, type Session } from './session.ts';
import { listTools, toolLines } from './tools.ts';

type Data = Readonly<Record<string, unknown>>;

/** Environments of OpenEnv servers, a session of its own for each episode. */
export const openenv = defineEnvironment({
  name: 'openenv',
  about: 'Play an environment that an OpenEnv server keeps.',
  options: openenvOptions,
  row: {
    data: z.record(z.string(), z.unknown()).describe('Given to the reset of the server, by the names that it takes.'),
    gold: z.record(z.string(), z.unknown()).describe('What scorers compare with, if there are any.'),
  },
  columns: ({ prompt_template: template }) => [...template.matchAll(placeholder)].flatMap(([, , field]) => field ?? []),
  rewards: [rewardName],
  rewardsOf: ({ reward }) => (reward === 'none' ? [] : [rewardName]),
  primaryMetric: 'reward',
  open: openOpenenv,
});

const placeholder = /\{(?:(observation|tools)|row\.([\w-]+))\}/g;

/** Longest wait for a server before a run. */
const checkMs = 10_000;

export function openOpenenv(options: OpenenvOptions): Environment<Data> {
  const urls = options.urls.map(sessionUrl);
  const codec = createCodec(options.codec);
  let next = 0;

  /** The first server, after the one that was asked last, that has room. */
  async function begin(row: EpisodeRow<Data>, io: StartIo): Promise<{ session: Session; first: Observed }> {
    const from = next;
    next += 1;
    const failures: TransientError[] = [];
    for (const index of urls.keys()) {
      const url = urls[(from + index) % urls.length] ?? '';
      try {
        const session = await openSession(url, { maxMessageBytes: options.max_message_bytes }, io);
        try {
          return { session, first: await session.reset(resetOf(row, io), io) };
        } catch (thrown) {
          await session.close();
          throw thrown;
        }
      } catch (thrown) {
        throwIfCancelled(io.signal);
        const error = errorFrom(thrown);
        if (!(error instanceof TransientError)) throw thrown;
        failures.push(error);
      }
    }
    const full = failures.find(({ code }) => code === 'resource_exhausted');
    if (full !== undefined) throw full;
    throw new TransientError('unavailable', failures.map(({ message }) => message).join('; '));
  }

  return {
    stop: options.action === 'tools' ? codec.stop : options.stop,
    async check(signal) {
      for (const url of urls) {
        const io = { signal, toolTimeoutMs: checkMs };
        const session = await openSession(url, { maxMessageBytes: options.max_message_bytes }, io);
        await session.close();
      }
    },
    async start(row, io) {
      const { session, first } = await begin(row, io);
      try {
        const shown = neutralise(observationText(first.observation, options));
        const prompt = (tools: string): string => promptOf(options, row, { observation: shown, tools });
        if (first.done) throw new UserCodeError('the server says that the episode is over as soon as it was reset');
        if (options.action === 'text') return createTextEpisode(session, prompt(''), options);
        const tools = await listTools(session, options.max_tools, io);
        return createCallEpisode(session, prompt(neutralise(toolLines(tools))), codec, tools, options);
      } catch (thrown) {
        await session.close();
        throw thrown;
      }
    },
  };
}

/** The server takes from it what its reset has a name for. */
function resetOf(row: EpisodeRow<Data>, { seed }: StartIo): object {
  return { seed: Number(seed % 2n ** 31n), episode_id: row.id.slice(0, 255), ...row.data };
}

function promptOf(
  { prompt_template: template, max_observation_characters: most }: OpenenvOptions,
  row: EpisodeRow<Data>,
  given: Readonly<Record<'observation' | 'tools', string>>,
): string {
  return template.replaceAll(placeholder, (_, name?: keyof typeof given, field = '') => {
    if (name !== undefined) return given[name];
    if (!Object.hasOwn(row.data, field)) {
      const fields = Object.keys(row.data).join(', ');
      throw new UserCodeError(`option prompt_template: row ${row.id} has no field ${field}; it has: ${fields}`);
    }
    return neutralise(cutText(textOf(row.data[field]), most));
  });
}
