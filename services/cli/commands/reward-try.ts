import { extname, join, resolve } from 'node:path';
import { readFile } from 'node:fs/promises';
import { toBinary } from '@bufbuild/protobuf';
import { z } from 'zod';
import { ScoreItemSchema, type ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { parseYamlDocument } from '#platform/files/yaml-document.ts';
import { pythonProgram } from '#platform/repository.ts';
import { camelKeys } from '#recipe/snake-shape.ts';
import { declaredScorerSchema, type DeclaredScorer } from '#recipe/reward-parts.ts';
import { parseResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { runFileNames } from '#run/directory/places.ts';
import { findResult } from '#run/rollouts/results.ts';
import { exitCodes } from '../exit-codes.ts';
import { askProgram } from '../process/ask-program.ts';
import { fileProblem } from '../run/is-readable.ts';
import { shortId } from '../terminal/format.ts';
import { asIs, jsonLine, jsonLines } from '../terminal/json-line.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { withStreams } from '../transcript/with-streams.ts';
import { readScore } from './reward-explain.ts';

export interface RewardTryOptions {
  readonly home: string;
  readonly run?: string;
  /** NAME=VALUE, each a setting of the scorer as a stage gives it. */
  readonly option: readonly string[];
  /** KEY=VALUE, each a key of its declaration under `scorers` of a recipe. */
  readonly declare: readonly string[];
  readonly given: boolean;
  readonly json: boolean;
}

/** Reading the streams of a large home. */
const readMs = 120_000;
/** In addition to what the scorer may take, for starting processes. */
const besidesMs = 60_000;

const trialSchema = z.object({
  given: z.record(z.string(), z.unknown()),
  printed: z.array(z.string()),
  milliseconds: z.number(),
  score: z.object({ raw: z.number(), value: z.number() }).optional(),
  absent: z.object({ reason: z.string(), detail: z.string() }).optional(),
});
const answerSchema = z.union([trialSchema, z.object({ badSettings: z.string() })]);
type Trial = z.output<typeof trialSchema>;

/**
 * Scores one recorded rollout with a scorer's file, as the reward service would. How the file is declared and set is as in the recipe of the
 * rollout's run where that names the file; options come before it.
 */
export async function rewardTryCommand(
  path: string,
  id: string,
  options: RewardTryOptions,
  terminal: Terminal,
): Promise<number> {
  const file = resolve(path);
  const problem = await fileProblem(file);
  if (problem !== undefined) throw new TerminalError('invalid_argument', `${path}: ${problem}`);
  const signal = AbortSignal.timeout(readMs);
  const { result, recorded } = await withStreams(
    resolve(options.home),
    { command: 'gradus reward try', note: (line) => terminal.err(line) },
    signal,
    async (nats) => {
      const found = await findResult(nats, id, options.run, signal);
      return { result: found, recorded: (await readScore(nats, found)).recorded };
    },
  );
  const known = await declaredIn(join(resolve(options.home), result.runId), file, (note) => terminal.err(note));
  const scorer = declarationOf(path, known?.scorer, options.declare);
  const given = { ...(known && settingsOf(recorded.item, known.name)), ...valuesOf('--option', options.option) };
  const answer = await askProgram({
    entry: 'services/reward/try/main.ts',
    args: [],
    input: Buffer.from(
      JSON.stringify({
        settings: { ...camelKeys(scorer), path: file },
        given,
        item: Buffer.from(toBinary(ScoreItemSchema, recorded.item)).toString('base64'),
        python: pythonProgram,
      }),
    ),
    answer: answerSchema,
    timeoutMs: scorer.start_timeout_ms + scorer.timeout_ms + besidesMs,
    failure: `${path} cannot be tried`,
    signal: new AbortController().signal,
  });
  if ('badSettings' in answer)
    throw new TerminalError(
      'invalid_argument',
      `${path}: its settings ${JSON.stringify(given)}: ${answer.badSettings}`,
    );
  const before = known === undefined ? undefined : result.components[known.name];
  if (options.json) {
    const { given: what, ...trial } = answer;
    const shown = { rollout: result.taskId, file, scorer: known?.name ?? null, settings: asIs(given), ...trial };
    terminal.out(jsonLine({ ...shown, recorded: before ?? null, ...(options.given && { given: asIs(what) }) }));
  } else {
    if (options.given) terminal.out(jsonLines(asIs(answer.given)));
    for (const piece of answer.printed) terminal.err(`printed: ${piece}`);
    terminal.out(verdictLines(path, answer, { given, name: known?.name, before, rollout: result.taskId }));
  }
  return answer.score === undefined ? exitCodes.usage : exitCodes.ok;
}

function verdictLines(
  path: string,
  { score, absent, milliseconds }: Trial,
  {
    given,
    name,
    before,
    rollout,
  }: { given: object; name: string | undefined; before: number | undefined; rollout: string },
): string[] {
  const as = name === undefined ? 'as no scorer of the run is declared' : `as scorer ${name} of the run is declared`;
  const head = `${path}, ${as}, settings ${JSON.stringify(given)}, rollout ${shortId(rollout)}:`;
  if (score === undefined)
    return [`${head} no score after ${milliseconds} ms: ${absent?.reason}`, absent?.detail ?? ''];
  const recorded = name === undefined ? '' : `; the run recorded ${before ?? 'none'}`;
  return [`${head} ${score.raw}, ${score.value} from 0 to 1, in ${milliseconds} ms${recorded}`];
}

type FileScorer = Extract<DeclaredScorer, { kind: 'typescript' | 'python' }>;
const isFile = (scorer: DeclaredScorer): scorer is FileScorer =>
  scorer.kind === 'typescript' || scorer.kind === 'python';

/** The scorer of a run's recipe whose file this is; undefined where there is none, or the recipe cannot be read. */
async function declaredIn(
  directory: string,
  file: string,
  note: (line: string) => void,
): Promise<{ readonly name: string; readonly scorer: FileScorer } | undefined> {
  try {
    const { recipe, paths } = parseResolvedRecipe(await readFile(join(directory, runFileNames.recipe), 'utf8'));
    for (const [name, scorer] of Object.entries(recipe.scorers ?? {}))
      if (isFile(scorer) && paths.scorers?.[name] === file) return { name, scorer };
  } catch (thrown) {
    note(`the recipe of the run in ${directory} is not used: ${errorFrom(thrown).message}`);
  }
  return undefined;
}

/** What the rollout's stage gave the scorer. */
function settingsOf({ scorers }: ScoreItem, name: string): object {
  const json = scorers.find((scorer) => scorer.name === name)?.settingsJson ?? '';
  return json === '' ? {} : (JSON.parse(json) as object);
}

function declarationOf(path: string, known: FileScorer | undefined, changes: readonly string[]): FileScorer {
  const kind = extname(path) === '.py' ? 'python' : 'typescript';
  const parsed = declaredScorerSchema.safeParse(
    { ...(known ?? { kind, path }), ...valuesOf('--declare', changes) },
    { reportInput: true },
  );
  if (parsed.success && isFile(parsed.data)) return parsed.data;
  const [issue] = parsed.error?.issues ?? [];
  throw new TerminalError(
    'invalid_argument',
    `--declare: ${issue?.path.join('.') ?? 'kind'}: ${issue?.message ?? 'must be typescript or python'}; docs/reference/recipe.md has the keys of a scorer`,
  );
}

/** NAME=VALUE, the values in YAML. */
function valuesOf(option: string, texts: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      const name = text.slice(0, Math.max(0, at)).trim();
      if (name === '') throw new TerminalError('invalid_argument', `${option} ${text}: must be NAME=VALUE`);
      return [name, parseYamlDocument(text.slice(at + 1), `${option} ${name}`).value];
    }),
  );
}
