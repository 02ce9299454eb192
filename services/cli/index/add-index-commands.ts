import { InvalidArgumentError, Option, type Command } from 'commander';
import type { IndexBuildOptions } from '../commands/index-build.ts';
import type { IndexInfoOptions } from '../commands/index-info.ts';
import type { IndexReloadOptions } from '../commands/index-reload.ts';
import type { IndexSearchOptions } from '../commands/index-search.ts';
import type { IndexVectorsOptions } from '../commands/index-vectors.ts';
import { credentials, json } from '../commands/standard-options.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** `gradus index build|vectors|info|search|reload`. */
export function addIndexCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  const index = program.command('index').description('build, check and try the index of a corpus');
  addVectorFlags(index.command('build').option('--encoder <model>', `encode the passages as well: ${modelHelp}`))
    .description(
      'build an index from a corpus of {"id", "contents"} or {"id", "title", "text"}: JSON lines, CSV or Parquet, compressed or not',
    )
    .argument('<file>', 'the corpus')
    .requiredOption('--out <dir>', 'directory of the index; complete or absent. With lancedb: a directory, or s3://…')
    .addOption(
      new Option('--backend <name>', 'local: files of this machine; lancedb: published for replicas that share it')
        .choices(['local', 'lancedb'] as const)
        .default('local' as const),
    )
    .addOption(
      new Option('--analyzer <name>', 'standard: lower-cased words; english: also stop words and stems')
        .choices(['standard', 'english'] as const)
        .default('standard' as const),
    )
    .option('--k1 <n>', 'BM25: saturation of the term frequency, 0 to 100', within(0, 100), 1.2)
    .option('--b <n>', 'BM25: strength of the length normalisation, 0 to 1', within(0, 1), 0.75)
    .option('--title-boost <n>', 'how often each word of a title counts', whole(1, 100), 1)
    .option('--chunk-words <n>', 'cut pages longer than this many words into passages', whole(10, 100_000))
    .option(
      '--chunk-overlap <n>',
      'words that a passage repeats of the one before (default: a fifth)',
      whole(0, 50_000),
    )
    .addOption(
      new Option('--on-bad-line <what>', 'stop at a line that cannot be read, or skip and count it')
        .choices(['stop', 'skip'] as const)
        .default('stop' as const),
    )
    .option('--memory-mib <n>', 'memory for postings before they go to disk', whole(1, 1_048_576), 256)
    .option('--replace', 'take the place of an index that lies there, once this one is complete', false)
    .addOption(json())
    .action(async (corpus: string, options: IndexBuildOptions) =>
      finish(await (await import('../commands/index-build.ts')).indexBuildCommand(corpus, options, terminal)),
    );
  addVectorFlags(index.command('vectors').requiredOption('--encoder <model>', modelHelp))
    .description('add vectors to an index, or continue a build of vectors that was interrupted')
    .argument('<dir>', 'directory of the index')
    .addOption(json())
    .action(async (directory: string, options: IndexVectorsOptions) =>
      finish(await (await import('../commands/index-vectors.ts')).indexVectorsCommand(directory, options, terminal)),
    );
  index
    .command('info')
    .description('show the corpus of an index, and how the index was built')
    .argument('<dir>', 'directory of the index')
    .option('--verify', 'compare every byte with its checksum', false)
    .addOption(json())
    .action(async (directory: string, options: IndexInfoOptions) =>
      finish(await (await import('../commands/index-info.ts')).indexInfoCommand(directory, options, terminal)),
    );
  index
    .command('search')
    .description('answer a query from an index')
    .argument('<dir>', 'directory of the index')
    .argument('<query...>', 'words to search for')
    .option('-k, --hits <n>', 'how many hits', whole(1, 1_000), 10)
    .option('--k1 <n>', 'BM25 saturation, in place of the one that the index was built for', within(0, 100))
    .option('--b <n>', 'BM25 length normalisation, in place of the one that the index was built for', within(0, 1))
    .addOption(
      new Option('--mode <mode>', 'search by words, by vectors, or by both')
        .choices(['lexical', 'dense', 'hybrid'] as const)
        .default('lexical' as const),
    )
    .option('--encoder <model>', 'model of the vectors, if it has moved')
    .addOption(json())
    .action(async (directory: string, query: readonly string[], options: IndexSearchOptions) =>
      finish(
        await (await import('../commands/index-search.ts')).indexSearchCommand(directory, query, options, terminal),
      ),
    );
  index
    .command('reload')
    .description('ask a running retrieval service to read its index anew, without a pause')
    .argument('<address>', 'gRPC address of the service, host:port')
    .addOption(credentials())
    .addOption(json())
    .action(async (address: string, options: IndexReloadOptions) =>
      finish(await (await import('../commands/index-reload.ts')).indexReloadCommand(address, options, terminal)),
    );
}

const modelHelp = 'a directory with an ONNX model, or a hub id such as intfloat/e5-base-v2';

function addVectorFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--vectors <kind>',
        'exact: compare all; hnsw: by a graph, lancedb by partitions (default: exact)',
      ).choices(['exact', 'hnsw'] as const),
    )
    .addOption(
      new Option('--vector-scalar <type>', 'numbers in a graph; f16 halves its size (default: f32)').choices([
        'f32',
        'f16',
      ] as const),
    )
    .option('--query-prefix <text>', "text before each query, in place of the model's own")
    .option('--passage-prefix <text>', "text before each passage, in place of the model's own")
    .addOption(
      new Option('--pooling <how>', "tokens to one vector, in place of the model's own").choices([
        'mean',
        'cls',
        'last',
      ] as const),
    )
    .option('--max-tokens <n>', "most tokens of a text, in place of the model's own", whole(2, 1_000_000));
}

function within(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most))
      throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
    return value;
  };
}

function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    return value;
  };
}
