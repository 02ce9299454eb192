import { spawn } from 'node:child_process';
import { type Program, parseServiceName, programOf } from '#fleet/service-programs.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { join } from 'node:path';
import { repositoryRoot } from '#platform/repository.ts';

/**
 * Runs a program in our place: its flags pass through, its standard streams are ours, its exit code too.
 * Where the platform can, the process is replaced, so that signals and process ids are the program's own.
 */
export async function runInPlace(program: Program, flags: readonly string[]): Promise<number> {
  const args = [...program.args, ...flags];
  // Unlike a fleet's, this one's GRADUS_* variables are meant for it.
  const env = { ...process.env, ...program.env };
  if (process.execve !== undefined && process.platform !== 'win32') {
    process.execve(program.command, [program.command, ...args], definedOnly(env));
  }
  const child = spawn(program.command, args, { stdio: 'inherit', env });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', pass);
  process.on('SIGTERM', pass);
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}

export function mcpProgram(): Program {
  const entry = join(repositoryRoot, 'services/retrieval/mcp/stdio-main.ts');
  return { command: process.execPath, args: ['--disable-warning=ExperimentalWarning', entry], env: {} };
}

/** Serves a corpus over MCP on our standard streams. */
export async function mcpCommand(flags: readonly string[]): Promise<number> {
  return await runInPlace(mcpProgram(), flags);
}

/** Runs one service in our place; its ready line goes to stdout. */
export async function serveCommand(name: string, flags: readonly string[], terminal: Terminal): Promise<number> {
  if (parseServiceName(name) !== 'engine') return await runInPlace(programOf(parseServiceName(name)), flags);
  const { engineService, serverHelp } = await import('./serve-engine.ts');
  const engine = engineService(flags);
  if (engine.service === 'engine' && flags.includes('--help')) terminal.out(serverHelp);
  return await runInPlace(programOf(engine.service), engine.flags);
}
