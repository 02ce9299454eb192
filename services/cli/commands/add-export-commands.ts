import { Option, type Command } from 'commander';
import type { Terminal } from '../terminal/terminal.ts';
import type { ExportMetricsOptions } from './export-metrics.ts';
import { home, parseRunId } from './standard-options.ts';

/** The commands of `gradus export`. */
export function addExportCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  program
    .command('export')
    .description('give what a run measured to other programs')
    .command('metrics')
    .description("give a run's metrics.jsonl to a tracker of experiments")
    .argument('<run>', 'id of the run', parseRunId)
    .addOption(
      new Option('--to <tracker>', 'event files of TensorBoard, or the Python package of a tracker')
        .choices(['tensorboard', 'trackio', 'wandb'] as const)
        .makeOptionMandatory(),
    )
    .option(
      '--out <dir>',
      'for tensorboard: its log directory; each run has a folder there (default: HOME/tensorboard)',
    )
    .option('--project <name>', 'for trackio and wandb: the project', 'gradus')
    .option('--python <path>', 'for trackio and wandb: a Python that has the package', 'python3')
    .addOption(home())
    .action(async (run: string, options: ExportMetricsOptions) =>
      finish(await (await import('./export-metrics.ts')).exportMetricsCommand(run, options, terminal)),
    );
}
