import { Option, type Command } from 'commander';
import type { Terminal } from '../terminal/terminal.ts';
import type { EngineOptions, RemoveOptions } from './engine.ts';
import { credentials, home, json, wholeNumber } from './standard-options.ts';

/** The commands of `gradus engine`. */
export function addEngineCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  const engine = program
    .command('engine')
    .description('engines of a running fleet: what they give, one more, one less');
  const withFleet = (command: Command): Command =>
    command
      .addOption(home())
      .addOption(
        new Option(
          '--policy <addresses>',
          'gateways in place of those of the fleet in a home, host:port; several with commas',
        ).conflicts('home'),
      )
      .addOption(credentials())
      .addOption(json());
  withFleet(
    engine
      .command('list')
      .description('list them: state, version, server, what turns consist of, load; and why one is not used'),
  ).action(async (options: EngineOptions) =>
    finish(await (await import('./engine.ts')).engineListCommand(options, terminal)),
  );
  withFleet(
    engine
      .command('add')
      .description(
        'let the gateways use an engine that runs, built in or a sidecar; it gets the weights that serve first',
      )
      .argument('<engine>', 'its address, host:port'),
  ).action(async (address: string, options: EngineOptions) =>
    finish(await (await import('./engine.ts')).engineAddCommand(address, options, terminal)),
  );
  withFleet(
    engine
      .command('remove')
      .description('send an engine nothing new and take it out once it is idle; its process goes on')
      .argument('<engine>', 'its address, host:port')
      .option('--drain-ms <n>', 'time to finish in; what runs then moves to another engine', wholeNumber, 60_000),
  ).action(async (address: string, options: RemoveOptions) =>
    finish(await (await import('./engine.ts')).engineRemoveCommand(address, options, terminal)),
  );
}
