import { type Command, Option } from 'commander';
import { maxTokensFields } from '#endpoint/server-fields.ts';
import { evalFormats } from './eval-formats.ts';
import type { EvalOptions } from './eval-recipe.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { RejudgeOptions } from '../commands/eval-rejudge.ts';
import {
  columns,
  credentials,
  decimal,
  inputStore,
  json,
  settings,
  several,
  storeNatsUrl,
  wholeNumber,
} from '../commands/standard-options.ts';

/** Options of `gradus eval` that say what is played, and how. */
const playing = [
  'model',
  'endpoint',
  'apiKeyEnv',
  'maxTokensField',
  'concurrency',
  'data',
  'format',
  'column',
  'corpus',
  'environment',
  'mcp',
  'tool',
  'limit',
  'samples',
  'temperature',
  'greedy',
  'seed',
  'contextTokens',
  'maxNewTokens',
  'maxTurns',
];

export function addEvalCommand(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  program
    .command('eval')
    .description(
      'evaluate a model directory, an endpoint, or the policy of a recipe: predictions, metrics with intervals, pass@k',
    )
    .argument('[recipe]', 'recipe whose eval stages are run; without one, its last stage with rollouts is evaluated')
    .option(
      '--model <dir>',
      'model directory, or with --endpoint the name of the model; with a recipe in place of its model',
    )
    .option('--endpoint <url>', 'server that speaks the chat completions API, for example http://127.0.0.1:8000/v1')
    .option('--api-key-env <name>', 'environment variable that holds the key of the endpoint')
    .addOption(
      new Option(
        '--max-tokens-field <name>',
        'field that gives the endpoint the most tokens of a turn; by default max_tokens',
      ).choices(maxTokensFields),
    )
    .option('--concurrency <n>', 'requests at a time; by default 16 at an endpoint', wholeNumber)
    .option('--data <file>', 'rows to ask, without a recipe')
    .addOption(new Option('--format <name>', 'format of the rows').choices(evalFormats).default('gradus'))
    .addOption(columns())
    .option('--corpus <file>', 'corpus that is searched; by default the paragraphs of musique, hotpotqa and 2wiki rows')
    .option('--environment <name>', 'built-in environment that plays the rows, without a recipe')
    .option(
      '--mcp <server>',
      'MCP server with the tools, in the place of our search: its URL, or the command line that starts it',
    )
    .addOption(several('--tool <name>', 'a tool of --mcp that the model may call; by default google_search and scrape'))
    .option('--judge <url>', 'endpoint of a judge that grades each answer: correct, incorrect or not attempted')
    .option('--judge-model <name>', 'what the server of the judge calls its model')
    .option('--judge-key-env <name>', 'environment variable that holds the key of the judge')
    .addOption(
      new Option(
        '--rejudge <dir>',
        'judge answers of an evaluation again that have no judgement, without playing: its --out, or the folder of a run',
      ).conflicts(playing),
    )
    .option('--all', 'with --rejudge: judge every answer again')
    .option('--limit <n>', 'most rows that are asked, the first of a seeded order', wholeNumber)
    .option('--samples <n>', 'rollouts per row; by default 1', wholeNumber)
    .addOption(
      new Option('--temperature <t>', 'temperature of the samples, above 0; by default 1')
        .argParser(decimal)
        .conflicts('greedy'),
    )
    .option('--greedy', 'take the likeliest token each time')
    .option('--seed <n>', "seed of the order and of the sampling; by default the recipe's, or 1", wholeNumber)
    .option(
      '--context-tokens <n>',
      "most tokens of a rollout; by default the recipe's, or 640, 16384 at an endpoint",
      wholeNumber,
    )
    .option('--max-new-tokens <n>', 'most tokens of a turn; by default 48, 1024 at an endpoint', wholeNumber)
    .option('--max-turns <n>', 'most turns; by default 10', wholeNumber)
    .requiredOption('--out <dir>', 'folder for predictions.jsonl and summary.json; the same command continues there')
    .addOption(settings())
    .addOption(inputStore())
    .addOption(storeNatsUrl())
    .addOption(credentials())
    .addOption(json())
    .action(async (recipe: string | undefined, options: EvalOptions & Partial<RejudgeOptions>) => {
      const { rejudge } = options;
      finish(
        rejudge === undefined
          ? await (await import('../commands/eval.ts')).evalCommand(recipe, options, terminal)
          : await (
              await import('../commands/eval-rejudge.ts')
            ).rejudgeCommand(recipe, { ...options, rejudge }, terminal),
      );
    });
}
