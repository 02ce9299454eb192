import { Argument, Command, Option } from 'commander';
import { completionScript, shells } from './completion/completion-script.ts';
import type { Shell } from './completion/completion-script.ts';
import type { DataMusiqueOptions } from './commands/data-musique.ts';
import type { DataRowsOptions } from './commands/data-rows.ts';
import type { ResumeOptions } from './commands/resume.ts';
import type { RunOptions } from './commands/run.ts';
import type { WatchCommandOptions } from './commands/watch.ts';
import type { StatusOptions } from './commands/status.ts';
import type { ListOptions } from './server/list-runs.ts';
import type { StopOptions } from './commands/stop.ts';
import type { UpOptions } from './commands/up.ts';
import type { WorldCommandOptions } from './commands/world.ts';
import { addBenchCommands } from './commands/add-bench-commands.ts';
import { addEvalCommand } from './eval/add-eval-command.ts';
import { addArtefactCommands } from './commands/add-artefact-commands.ts';
import { addBackupCommands } from './commands/add-backup-commands.ts';
import { addExportCommands } from './commands/add-export-commands.ts';
import { addCredentialCommands } from './commands/add-credential-commands.ts';
import { addDlqCommands } from './commands/add-dlq-commands.ts';
import { addEngineCommands } from './commands/add-engine-commands.ts';
import { addRewardCommands } from './commands/add-reward-commands.ts';
import { addRolloutCommands } from './commands/add-rollout-commands.ts';
import { evalFormats } from './eval/eval-formats.ts';
import { exitCodes } from './exit-codes.ts';
import { addExamples, markRequired } from './help/help.ts';
import { serviceNames } from '#fleet/service-programs.ts';
import { version } from '#platform/version.ts';
import { addServerCommands, placed, priority, queue } from './server/add-server-commands.ts';
import { server } from './server/server-address.ts';
import { addIndexCommands } from './index/add-index-commands.ts';
import { changeGroups } from '#recipe/inputs/changed-inputs.ts';
import {
  columns,
  credentials,
  home,
  inputStore,
  json,
  parseRunId,
  samples,
  settings,
  several,
  storeNatsUrl,
  wholeNumber,
} from './commands/standard-options.ts';
import type { Terminal } from './terminal/terminal.ts';

const defaultRecipe = 'recipes/demo.yaml';

/**
 * The whole command line. `finish` gets the exit code of the command that ran. Commands are imported when they run:
 * help and completion should not wait for gRPC, NATS and Vega to load.
 */
export function createProgram(terminal: Terminal, finish: (exitCode: number) => void): Command {
  const program = new Command('gradus')
    .description('Multi-stage reinforcement learning for tool-using language models, as microservices.')
    .version(version)
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
  ${exitCodes.runFailed}    the run failed or a gate stopped it, and can be resumed; or a stage had nothing to learn
  ${exitCodes.unavailable}    a service or NATS is not reachable or did not start
  ${exitCodes.stopped}  stopped by Ctrl-C, SIGTERM or 'gradus stop'; the run can be resumed`,
    );

  markRequired(program);

  // What lies in a home was written by a policy and about it, and is read by anyone who started it; children inherit this.
  program.hook('preAction', (_program, command) => {
    if (command.options.some(({ long }) => long === '--home')) process.umask(process.umask() | 0o077);
  });

  program
    .command('up')
    .description('start every service of a recipe on this machine and keep it until Ctrl-C')
    .argument('[recipe]', 'recipe file', defaultRecipe)
    .addOption(settings())
    .addOption(
      several(
        '--root <dir>',
        "further folder that runs may name files in, next to the home, the recipe's folder and what it names; may be repeated",
      ),
    )
    .addOption(inputStore())
    .addOption(storeNatsUrl())
    .addOption(credentials())
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
    .addOption(
      new Option('--detach', 'go on in a process of its own once the run has started; its output goes to HOME/RUN.log')
        .default(false)
        .conflicts(['dryRun', 'json']),
    )
    .addOption(server())
    .addOption(priority())
    .addOption(queue())
    .addOption(samples())
    .addOption(inputStore())
    .addOption(storeNatsUrl())
    .addOption(credentials())
    .addOption(home())
    .addOption(json())
    .action(async (recipe: string, options: RunOptions, command: Command) => {
      // What the command needs takes a moment to load.
      terminal.status(`reading ${recipe}`);
      finish(await (await import('./commands/run.ts')).runCommand(recipe, placed(options, command), terminal));
    });

  program
    .command('watch')
    .description('follow a run of the fleet in a home until it ends; Ctrl-C ends the watching, not the run')
    .argument('<run>', 'id of the run', parseRunId)
    .addOption(server())
    .addOption(credentials())
    .addOption(samples())
    .addOption(home())
    .action(async (run: string, options: WatchCommandOptions, command: Command) =>
      finish(await (await import('./commands/watch.ts')).watchCommand(run, placed(options, command), terminal)),
    );

  addEvalCommand(program, terminal, finish);

  program
    .command('resume')
    .description('continue a stopped or failed run')
    .argument('<run>', 'id of the run')
    .option(
      '--accept-changed <names>',
      `continue although this has changed since it was recorded: ${changeGroups.join(', ')}; several with commas`,
      (text: string) => text.split(',').map((name) => name.trim()),
    )
    .option('--restore-recipe', 'first write recipe.json again as the ledger has it', false)
    .addOption(server())
    .addOption(queue())
    .addOption(samples())
    .addOption(inputStore())
    .addOption(storeNatsUrl())
    .addOption(credentials())
    .addOption(home())
    .addOption(json())
    .action(async (run: string, options: ResumeOptions, command: Command) =>
      finish(await (await import('./commands/resume.ts')).resumeCommand(run, placed(options, command), terminal)),
    );

  program
    .command('status')
    .description('show the services and runs of a home, or one run of a home or a server')
    .argument('[run]', 'id of the run; all when left out', parseRunId)
    .addOption(server())
    .addOption(credentials())
    .addOption(home())
    .addOption(json())
    .action(async (run: string | undefined, given: StatusOptions & ListOptions, command: Command) => {
      const options = placed(given, command);
      if (run === undefined && options.server === undefined)
        return finish(await (await import('./commands/status.ts')).statusCommand(options, terminal));
      const { listCommand, runStatusCommand } = await import('./server/list-runs.ts');
      return finish(
        run === undefined ? await listCommand(options, terminal) : await runStatusCommand(run, options, terminal),
      );
    });

  program
    .command('stop')
    .description('stop a run, or the whole fleet; what ran can be resumed')
    .argument('[run]', 'id of the run; the fleet when left out')
    .option('--now', 'do not finish the step in progress', false)
    .addOption(server())
    .addOption(credentials())
    .addOption(home())
    .action(async (run: string | undefined, options: StopOptions, command: Command) =>
      finish(await (await import('./commands/stop.ts')).stopCommand(run, placed(options, command), terminal)),
    );

  addRolloutCommands(program, terminal, finish);
  addExportCommands(program, terminal, finish);
  addBackupCommands(program, terminal, finish);
  addArtefactCommands(program, terminal, finish);
  addRewardCommands(program, terminal, finish);
  addBenchCommands(program, terminal, finish);
  addCredentialCommands(program, terminal, finish);
  addDlqCommands(program, terminal, finish);
  addEngineCommands(program, terminal, finish);
  addServerCommands(program, terminal, finish);

  program
    .command('serve')
    .description('run one service alone; its flags follow, and it prints its addresses as one JSON line')
    .addArgument(new Argument('<service>', `one of ${serviceNames.join(', ')}`))
    .argument('[flags...]', "the service's own flags; 'gradus serve SERVICE --help' lists them")
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (service: string, flags: readonly string[]) =>
      finish(await (await import('./commands/run-in-place.ts')).serveCommand(service, flags, terminal)),
    );

  program
    .command('mcp')
    .description('search a corpus from an MCP client: its tools over standard input and output')
    .argument('[flags...]', 'settings of retrieval, for example --corpus FILE; --help lists them')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (flags: readonly string[]) =>
      finish(await (await import('./commands/run-in-place.ts')).mcpCommand(flags)),
    );

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
    .command('rows')
    .description('check every row of a file, and show what a run would see of it')
    .argument(
      '<file>',
      'JSON lines, a JSON array, CSV (.csv, .tsv) or Parquet; the text ones also under gzip or Zstandard',
    )
    .addOption(
      new Option('--format <name>', 'format of the rows')
        .choices(evalFormats.filter((name) => name !== 'musique'))
        .default('gradus' as const),
    )
    .addOption(columns())
    .addOption(json())
    .action(async (file: string, options: DataRowsOptions) =>
      finish(await (await import('./commands/data-rows.ts')).dataRowsCommand(file, options, terminal)),
    );
  data
    .command('musique')
    .description('check a MuSiQue file and count it; with --out write the split that a run trains on')
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
    .description('print a script that completes commands, options and values: runs, rollouts, stages, files')
    .addArgument(new Argument('<shell>', 'your shell').choices(shells))
    .action((shell: Shell) => {
      terminal.out(linesOf(completionScript(shell)));
      finish(exitCodes.ok);
    });

  program
    .command('complete', { hidden: true })
    .description('what a word may become, for the scripts of completion')
    .argument('[words...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (words: readonly string[]) => {
      const { kind, words: found } = await (await import('./completion/candidates.ts')).candidates(program, words);
      terminal.out([kind, ...found]);
      finish(exitCodes.ok);
    });

  addExamples(program);
  return program;
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}
