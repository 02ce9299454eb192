import { CommanderError } from 'commander';
import { errorFrom } from '#platform/errors.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { createProgram } from './program.ts';
import { createTerminal } from './terminal/terminal.ts';
import { jsonLine } from './terminal/json-line.ts';

const terminal = createTerminal();
const program = createProgram(terminal, (exitCode) => (process.exitCode = exitCode));
for (const command of [program, ...program.commands, ...program.commands.flatMap((each) => each.commands)])
  command.exitOverride();

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that closed the pipe (`gradus ... | head`) is not an error of ours.
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  terminal.err(`gradus: standard output cannot be written: ${error.message}`);
  process.exit(exitCodeOf(error));
});
// Nobody is left to read a message.
process.stderr.on('error', () => {});

try {
  await program.parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    // commander has printed it already; help and version are no errors.
    process.exitCode = thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  } else {
    const error = errorFrom(thrown);
    if (process.argv.includes('--json'))
      terminal.out(jsonLine({ error: { code: error.code, message: error.message } }));
    terminal.err(`gradus: ${error.message}`);
    if (error.code === 'internal') terminal.err(error.stack ?? '');
    process.exitCode = exitCodeOf(error);
  }
}
