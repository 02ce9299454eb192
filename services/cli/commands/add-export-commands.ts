import { Option, type Command } from 'commander';
import type { Terminal } from '../terminal/terminal.ts';
import type { ExportMetricsOptions } from './export-metrics.ts';
import type { ExportModelOptions } from './export-model.ts';
import { home, parseRunId, wholeNumber } from './standard-options.ts';

/** The commands of `gradus export`. */
export function addExportCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  const exporting = program.command('export').description('give what a run measured, or its policy, to other programs');
  exporting
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
  exporting
    .command('model')
    .description('write a policy for other programs: a directory of Hugging Face, or a GGUF file for llama.cpp')
    .argument('<model>', 'id of a run that has finished, or a model directory')
    .addOption(
      new Option('--to <format>', 'what is written').choices(['huggingface', 'gguf'] as const).makeOptionMandatory(),
    )
    .requiredOption('--out <path>', 'the directory or the file; nothing may be there yet')
    .addOption(
      new Option('--precision <type>', 'for gguf: numbers of its matrices; vectors are float32')
        .choices(['f32', 'f16', 'bf16'] as const)
        .default('f16'),
    )
    .option(
      '--context <tokens>',
      'longer context than the model was trained for, by YaRN: its factor is this over max_position_embeddings',
      wholeNumber,
    )
    .option('--python <path>', 'for gguf: a Python that has the package gguf', 'python3')
    .addOption(home())
    .action(async (model: string, options: ExportModelOptions) =>
      finish(await (await import('./export-model.ts')).exportModelCommand(model, options, terminal)),
    );
}
