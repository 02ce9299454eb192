import { spawn } from 'node:child_process';
import { childEnvironment, parseServiceName, programOf } from '../fleet/service-programs.ts';

/**
 * Runs one service in our place: its flags pass through, its ready line goes to stdout, its exit code is ours.
 * Where the platform can, the process is replaced, so that signals and process ids are the service's own.
 */
export async function serveCommand(service: string, flags: readonly string[]): Promise<number> {
  const program = programOf(parseServiceName(service));
  const args = [...program.args, ...flags];
  // Unlike a fleet's, this one's GRADUS_* variables are meant for it.
  const env = { ...process.env, ...program.env };
  if (process.execve !== undefined && process.platform !== 'win32') {
    process.execve(program.command, [program.command, ...args], definedOnly(env));
  }
  const child = spawn(program.command, args, { stdio: 'inherit', env: childEnvironment(env, {}) });
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
