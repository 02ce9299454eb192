import { InvalidArgumentError, Option, type Command } from 'commander';
import { artefactKinds } from '#artefacts/artefact.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { ArtefactOptions, GetOptions, PutArtefactOptions } from './artefact.ts';
import { defaultNatsUrl } from '../store/nats-url.ts';
import { credentials, json } from './standard-options.ts';

/** The commands of `gradus artefact`. */
export function addArtefactCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  const artefact = program.command('artefact').description('files of a store that machines share, by digest');
  const ofStore = (command: Command): Command =>
    command
      .requiredOption(
        '--store <address>',
        'an absolute path, nats:BUCKET, or s3://BUCKET/PREFIX?endpoint=URL&region=REGION with keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
      )
      .option('--nats-url <url>', 'NATS server, for nats:BUCKET', defaultNatsUrl)
      .addOption(credentials())
      .addOption(json());
  ofStore(
    artefact
      .command('put')
      .description('put a file or a folder into the store; parts that it has are not sent')
      .argument('<path>', 'file or folder')
      .addOption(
        new Option('--kind <kind>', 'what it is; by default file for a file, and model for a folder').choices([
          ...artefactKinds,
        ]),
      ),
  ).action(async (path: string, options: PutArtefactOptions) =>
    finish(await (await import('./artefact.ts')).putCommand(path, options, terminal)),
  );
  ofStore(
    artefact
      .command('get')
      .description('fetch a folder from the store; one that broke off goes on, one that is there is checked')
      .argument('<artefact>', 'its digest, or artefact:DIGEST', readName)
      .requiredOption('--to <dir>', 'folder, not there or with what the artefact holds'),
  ).action(async (digest: string, options: GetOptions) =>
    finish(await (await import('./artefact.ts')).getCommand(digest, options, terminal)),
  );
  ofStore(artefact.command('list').description('list what the store holds')).action(async (options: ArtefactOptions) =>
    finish(await (await import('./artefact.ts')).listCommand(options, terminal)),
  );
}

function readName(text: string): string {
  const digest = text.replace(/^artefact:/, '');
  if (!/^[0-9a-f]{64}$/.test(digest))
    throw new InvalidArgumentError('It must be 64 lower-case hexadecimal digits, as gradus artefact put prints them.');
  return digest;
}
