import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { completionScript, shells } from './completion/completion-script.ts';
import type { Shell } from './completion/completion-script.ts';
import type { BenchRolloutsOptions } from './commands/bench-rollouts.ts';
import type { DlqAction, DlqOptions } from './commands/dlq.ts';
import type { DataMusiqueOptions } from './commands/data-musique.ts';
import type { ResumeOptions } from './commands/resume.ts';
import type { RolloutReplayOptions } from './commands/rollout-replay.ts';
import type { RolloutShowOptions } from './commands/rollout-show.ts';
import type { RunOptions } from './commands/run.ts';
import type { StatusOptions } from './commands/status.ts';
import type { StopOptions } from './commands/stop.ts';
import type { UpOptions } from './commands/up.ts';
import type { WorldCommandOptions } from './commands/world.ts';
import { addRewardCommands } from './commands/add-reward-commands.ts';
import { maxTokensFields } from '#shared/endpoint/server-fields.ts';
import { evalFormats } from './eval/eval-formats.ts';
import type { EvalOptions } from './eval/eval-recipe.ts';
import { exitCodes } from './exit-codes.ts';
import { serviceNames } from './fleet/service-programs.ts';
import { addIndexCommands } from './index/add-index-commands.ts';
import { changeGroups } from '#shared/inputs/changed-inputs.ts';
import { home, json, parseRunId, settings } from './commands/standard-options.ts';
import type { Terminal } from './terminal/terminal.ts';

const defaultRecipe = 'recipes/demo.yaml';

/**
 * The whole command line. `finish` is told the exit code of the command that ran. Commands are imported when they run:
 * help and completion should not wait for gRPC, NATS and Vega to load.
 */
export function createProgram(terminal: Terminal, finish: (exitCode: number) => void): Command {
  const program = new Command('gradus')
    .description('Multi-stage reinforcement learning for tool-using language models, as microservices.')
    .version('0.1.0')
    // Before its commands, which inherit it. What was typed may have come from anywhere.
    .configureOutput({
      writeOut: (text) => terminal.out(linesOf(text)),
      writeErr: (text) => terminal.err(linesOf(text)),
    })
    .showSuggestionAfterError(true)
    // `serve` passes everything after the service's name on.
    .enablePositionalOptions()
    .showHelpAfterError("(gradus --help lists the commands, 'gradus COMMAND --help' explains one)")
    .addHelpText(
      'after',
      `
Exit codes:
  ${exitCodes.ok}    done
  ${exitCodes.internal}    something inside broke, or a replay differs from its record
  ${exitCodes.usage}    the command line, a recipe or an input file is wrong
  ${exitCodes.runFailed}    the run failed or a gate stopped it; it can be resumed
  ${exitCodes.unavailable}    a service or NATS is not reachable or did not start
  ${exitCodes.stopped}  stopped by Ctrl-C, SIGTERM or 'gradus stop'; the run can be resumed`,
    );

  // What lies in a home was written by a policy and about it, and is read by anyone who started it; children inherit this.
  program.hook('preAction', (_program, command) => {
    if (command.options.some(({ long }) => long === '--home')) process.umask(process.umask() | 0o077);
  });

  program
    .command('up')
    .description('start every service of a recipe on this machine and keep it until Ctrl-C')
    .argument('[recipe]', 'recipe file', defaultRecipe)
    .addOption(settings())
    .addOption(home())
    .addOption(json())
    .action(async (recipe: string, options: UpOptions) =>
      finish(await (await import('./commands/up.ts')).upCommand(recipe, options, terminal)),
    );

  program
    .command('run')
    .description('train what a recipe describes, and wait for it')
    .argument('<recipe>', 'recipe file')
    .option('--seed <n>', 'seed in place of the one in the recipe', wholeNumber)
    .addOption(settings())
    .option('--run-id <id>', 'name of the run; 1 to 64 of a-z, 0-9 and -', parseRunId)
    .option('--dry-run', 'check the recipe and print the plan; starts nothing', false)
    .addOption(home())
    .addOption(json())
    .action(async (recipe: string, options: RunOptions) =>
      finish(await (await import('./commands/run.ts')).runCommand(recipe, options, terminal)),
    );

  program
    .command('eval')
    .description(
      'evaluate a model directory, an endpoint, or the policy of a recipe: predictions, metrics with intervals, pass@k',
    )
    .argument('[recipe]', 'recipe whose eval stages are run; one without has its last stage with rollouts evaluated')
    .option(
      '--model <dir>',
      'model directory, or with --endpoint the name of the model; with a recipe in place of its model',
    )
    .option('--endpoint <url>', 'server that speaks the chat completions API, for example http://127.0.0.1:8000/v1')
    .option('--api-key-env <name>', 'environment variable that holds the key of the endpoint')
    .addOption(
      new Option(
        '--max-tokens-field <name>',
        'field that tells the endpoint the most tokens of a turn; by default max_tokens',
      ).choices(maxTokensFields),
    )
    .option('--concurrency <n>', 'requests at once; by default 16 at an endpoint', wholeNumber)
    .option('--data <file>', 'rows to ask, without a recipe')
    .addOption(new Option('--format <name>', 'how they are written').choices(evalFormats).default('gradus'))
    .option('--corpus <file>', 'what is searched; by default the paragraphs of musique, hotpotqa and 2wiki rows')
    .option('--environment <name>', 'built-in environment that plays the rows, without a recipe')
    .option('--limit <n>', 'most rows, the first of a seeded order', wholeNumber)
    .option('--samples <n>', 'rollouts per row', wholeNumber, 1)
    .option('--greedy', 'draw the likeliest tokens', false)
    .option('--seed <n>', 'of the order and the drawing', wholeNumber, 1)
    .option('--context-tokens <n>', 'most tokens of a rollout; by default 640, 16384 at an endpoint', wholeNumber)
    .option('--max-new-tokens <n>', 'most tokens of a turn; by default 48, 1024 at an endpoint', wholeNumber)
    .option('--max-turns <n>', 'most turns', wholeNumber, 10)
    .requiredOption('--out <dir>', 'gets predictions.jsonl and summary.json; the same command goes on there')
    .addOption(settings())
    .addOption(json())
    .action(async (recipe: string | undefined, options: EvalOptions) =>
      finish(await (await import('./commands/eval.ts')).evalCommand(recipe, options, terminal)),
    );

  program
    .command('resume')
    .description('continue a stopped or failed run')
    .argument('<run>', 'id of the run')
    .option(
      '--accept-changed <names>',
      `go on although this has changed since it was recorded: ${changeGroups.join(', ')}; several with commas`,
      (text: string) => text.split(',').map((name) => name.trim()),
    )
    .option('--restore-recipe', 'write recipe.json again as the ledger has it, before anything else', false)
    .addOption(home())
    .addOption(json())
    .action(async (run: string, options: ResumeOptions) =>
      finish(await (await import('./commands/resume.ts')).resumeCommand(run, options, terminal)),
    );

  program
    .command('status')
    .description('show the services and runs of a home')
    .addOption(home())
    .addOption(json())
    .action(async (options: StatusOptions) =>
      finish(await (await import('./commands/status.ts')).statusCommand(options, terminal)),
    );

  program
    .command('stop')
    .description('stop a run, or the whole fleet; what ran can be resumed')
    .argument('[run]', 'id of the run; the fleet when left out')
    .option('--now', 'do not finish the step in progress', false)
    .addOption(home())
    .action(async (run: string | undefined, options: StopOptions) =>
      finish(await (await import('./commands/stop.ts')).stopCommand(run, options, terminal)),
    );

  const rollout = program.command('rollout').description('look into rollouts');
  rollout
    .command('show')
    .description('print a rollout as a transcript; what is trained on is marked')
    .argument('[task-id]', 'id of the rollout, or its beginning')
    .option('--run <id>', 'only rollouts of this run; without a task id its last one', parseRunId)
    .option('--list', 'list the rollouts instead', false)
    .addOption(home())
    .addOption(json())
    .action(async (id: string | undefined, options: RolloutShowOptions) =>
      finish(await (await import('./commands/rollout-show.ts')).rolloutShowCommand(id, options, terminal)),
    );

  rollout
    .command('replay')
    .description('play a recorded rollout again and show the first difference; nothing of it is counted')
    .argument('[task-id]', 'id of the rollout, or its beginning')
    .option('--run <id>', 'only rollouts of this run; without a task id its last one', parseRunId)
    .addOption(
      new Option(
        '--policy <which>',
        'the version that wrote it, or the one that serves now (without a fleet: the newest)',
      )
        .choices(['recorded', 'current'] as const)
        .default('recorded' as const),
    )
    .addOption(new Option('--model <dir>', 'play with this model instead').conflicts('policy'))
    .addOption(home())
    .addOption(json())
    .action(async (id: string | undefined, options: RolloutReplayOptions) =>
      finish(await (await import('./commands/rollout-replay.ts')).rolloutReplayCommand(id, options, terminal)),
    );

  addRewardCommands(program, terminal, finish);

  const bench = program.command('bench').description('measure the platform itself');
  bench
    .command('rollouts')
    .description('rollouts per second through the whole path, with a scripted policy and without a trainer')
    .option('--recipe <file>', 'whose environment, data and rewards are played; by default rollouts-scripted.yaml')
    .option('--rollouts <n>', 'rollouts that are measured', wholeNumber, 2000)
    .option('--warm-up <n>', 'rollouts before those', wholeNumber, 300)
    .option('--workers <n>', 'rollout workers', wholeNumber, 1)
    .option('--engines <n>', 'scripted engines', wholeNumber, 1)
    .option('--concurrency <n>', 'rollouts at once in one worker', wholeNumber, 256)
    .option('--turns <n>', 'turns of a rollout: tool calls, and the answer as the last', wholeNumber, 3)
    .option('--latency-median-ms <ms>', 'median time of a turn; 0 is none', decimal, 0)
    .option('--latency-sigma <x>', 'sigma of its log-normal distribution', decimal, 0)
    .option('--right-probability <p>', 'share of answers that are right', decimal, 0.5)
    .option('--seed <n>', 'seed of world, tasks and latencies', wholeNumber, 1)
    .option('--keep', 'keep streams and logs', false)
    .addOption(home())
    .addOption(json())
    .action(async (options: BenchRolloutsOptions) =>
      finish(await (await import('./commands/bench-rollouts.ts')).benchRolloutsCommand(options, terminal)),
    );
  const dlq = program.command('dlq').description('tasks that were given up: dead letters');
  const runDlq = async (action: DlqAction, ids: readonly string[], options: DlqOptions): Promise<void> =>
    finish(await (await import('./commands/dlq.ts')).dlqCommand(action, ids, options, terminal));
  const dlqOptions = (command: Command): Command =>
    command
      .option('--run <id>', 'only letters of this run')
      .addOption(home())
      .addOption(
        new Option('--nats <url>', 'streams of this NATS server in place of those of a home').conflicts('home'),
      )
      .addOption(json());
  const all = (): Option => new Option('--all', 'all letters; with --run all of a run').default(false);
  dlqOptions(
    dlq.command('list').description('list them: number, run, task, times handed out again, age, reason'),
  ).action((options: DlqOptions) => runDlq('list', [], options));
  dlqOptions(
    dlq
      .command('show')
      .description('print a letter with its task')
      .argument('<id>', 'number of the letter, or the beginning of its task id'),
  ).action((id: string, options: DlqOptions) => runDlq('show', [id], options));
  dlqOptions(
    dlq
      .command('retry')
      .description('put tasks back on the queue; their results count as usual, and once')
      .argument('[ids...]', 'numbers of letters, or beginnings of their task ids')
      .addOption(all()),
  ).action((ids: readonly string[], options: DlqOptions) => runDlq('retry', ids, options));
  dlqOptions(
    dlq
      .command('drop')
      .description('remove letters for good')
      .argument('[ids...]', 'numbers of letters, or beginnings of their task ids')
      .addOption(all()),
  ).action((ids: readonly string[], options: DlqOptions) => runDlq('drop', ids, options));

  program
    .command('serve')
    .description('run one service alone; its flags follow, and it prints its addresses as one JSON line')
    .addArgument(new Argument('<service>', `one of ${serviceNames.join(', ')}`))
    .argument('[flags...]', "the service's own flags; 'gradus serve SERVICE --help' lists them")
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (service: string, flags: readonly string[]) =>
      finish(await (await import('./commands/serve.ts')).serveCommand(service, flags)),
    );

  program
    .command('mcp')
    .description('search a corpus from an MCP client: its tools over standard input and output')
    .argument('[flags...]', 'settings of retrieval, for example --corpus FILE; --help lists them')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (flags: readonly string[]) => finish(await (await import('./commands/mcp.ts')).mcpCommand(flags)));

  program
    .command('world')
    .description('generate a synthetic world: corpus and questions in the MuSiQue schema')
    .option('--seed <n>', 'seed of the world', wholeNumber, 1)
    .option('--train <n>', 'training questions', wholeNumber, 2000)
    .option('--held-out <n>', 'held-out questions, with entities and facts of their own', wholeNumber, 300)
    .requiredOption('--out <dir>', 'folder to write to')
    .addOption(json())
    .action(async (options: WorldCommandOptions) =>
      finish(await (await import('./commands/world.ts')).worldCommand(options, terminal)),
    );

  addIndexCommands(program, terminal, finish);

  const data = program.command('data').description('check and prepare data sets');
  data
    .command('musique')
    .description('check a MuSiQue JSONL file and count it; with --out write the split that a run trains on')
    .argument('<file>', 'questions in the official schema')
    .addOption(
      new Option('--selection <name>', 'which questions').choices(['all', 'jan_nano'] as const).default('all' as const),
    )
    .option('--held-out <n>', 'questions kept out of training', wholeNumber, 100)
    .option('--corpus <file>', 'corpus to use; by default the union of all paragraphs')
    .option('--out <dir>', 'folder to write to')
    .addOption(json())
    .action(async (file: string, options: DataMusiqueOptions) =>
      finish(await (await import('./commands/data-musique.ts')).dataMusiqueCommand(file, options, terminal)),
    );

  program
    .command('completion')
    .description('print a completion script, for example: gradus completion bash >> ~/.bashrc')
    .addArgument(new Argument('<shell>', 'your shell').choices(shells))
    .action((shell: Shell) => {
      terminal.out(completionScript(program, shell));
      finish(exitCodes.ok);
    });

  return program;
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('It must be a whole number of at least 0.');
  return value;
}

function decimal(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('It must be a number of at least 0.');
  return value;
}
