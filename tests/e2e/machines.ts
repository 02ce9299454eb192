/** Processes of several "machines": each sees its own folder, and finds those of the others empty. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { parseReadyLine } from '#fleet/child-service.ts';
import { childEnvironment, parseServiceName, programOf } from '#fleet/service-programs.ts';

/** Why they cannot be made here; undefined where they can. */
export const whyNoMachines =
  spawnSync('unshare', ['--mount', 'sh', '-c', 'mount -t tmpfs none /mnt']).status === 0
    ? undefined
    : 'unshare --mount is not allowed';

export interface Machines {
  /** Its folder, of which the other machines see nothing. */
  folder(machine: string): string;
  /** Starts a service and waits until it is ready; gives its gRPC address. */
  serve(machine: string, service: string, settings?: Readonly<Record<string, string | number>>): Promise<Served>;
}

export interface Served {
  readonly grpc: string;
  /** stdout and stderr so far. */
  output(): string;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export async function createMachines(root: string, names: readonly string[]): Promise<Machines> {
  const folder = (machine: string): string => join(root, machine);
  for (const name of names) await mkdir(folder(name), { recursive: true });
  return {
    folder,
    async serve(machine, service, settings = {}) {
      const { command, args, env } = programOf(parseServiceName(service));
      const flags = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
      const hidden = names.filter((name) => name !== machine).map(folder);
      const mounts = hidden.map((path) => `mount -t tmpfs none '${path}'`).join(' && ');
      const child = spawn(
        'unshare',
        [
          '--mount',
          '--kill-child=SIGKILL',
          '--fork',
          'sh',
          '-c',
          `${mounts} && exec "$@"`,
          'sh',
          command,
          ...args,
          ...flags,
        ],
        { cwd: folder(machine), env: childEnvironment(process.env, env), stdio: ['ignore', 'pipe', 'pipe'] },
      );
      let text = '';
      const ended = new Promise<void>((done) => child.once('exit', () => done()));
      const kill = async (): Promise<void> => {
        child.kill('SIGKILL');
        await ended;
      };
      onTestFinished(kill);
      child.stderr.on('data', (data: Buffer) => (text += data.toString()));
      const grpc = await new Promise<string>((done, fail) => {
        createInterface({ input: child.stdout }).on('line', (line) => {
          text += `${line}\n`;
          const address = parseReadyLine(line)?.grpc;
          if (address !== undefined) done(address);
        });
        void ended.then(() => fail(new Error(`${service} on ${machine} ended before it was ready:\n${text}`)));
      });
      return { grpc, output: () => text, kill };
    },
  };
}
