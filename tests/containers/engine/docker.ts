/** The Docker engine that `docker` on this machine leads to. */
import { execFile, spawn } from 'node:child_process';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { errorFrom } from '#platform/errors.ts';

const run = promisify(execFile);
/** Lists of all files of an image. */
const maxOutputBytes = 256 * 2 ** 20;

/** What the command prints, without the line's end; throws with what it complains about. */
export async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('docker', args, { maxBuffer: maxOutputBytes });
  return stdout.trim();
}

/** Why there is no engine to test on; undefined where one answers. */
export async function missingEngine(): Promise<string | undefined> {
  return await complaintOf('version', '--format', '{{.Server.Version}}');
}

/** The same of its plugin Compose. */
export async function missingCompose(): Promise<string | undefined> {
  return await complaintOf('compose', 'version');
}

async function complaintOf(...args: readonly string[]): Promise<string | undefined> {
  try {
    await docker(...args);
    return undefined;
  } catch (thrown) {
    return errorFrom(thrown).message;
  }
}

/** A container that is made and not started, as long as `use` takes. */
async function withContainer<T>(image: string, use: (id: string) => Promise<T>): Promise<T> {
  const id = await docker('create', image);
  try {
    return await use(id);
  } finally {
    await docker('rm', '--force', '--volumes', id);
  }
}

export interface ImageFile {
  /** As `tar` shows it, `drwxr-xr-x`. */
  readonly mode: string;
  /** `10001/10001`. */
  readonly owner: string;
  readonly path: string;
}

/** Every file of an image. */
export async function filesOf(image: string): Promise<ImageFile[]> {
  const list = await withContainer(image, async (id) => {
    const child = spawn('sh', ['-c', `docker export ${id} | tar -t -v --numeric-owner`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return (await buffer(child.stdout)).toString();
  });
  return list.split('\n').flatMap((line) => {
    const [, mode = '', owner = '', path = ''] =
      /^(\S+) (\S+) +\d+ \S+ \S+ (.*?)(?: -> .*| link to .*)?$/.exec(line) ?? [];
    return path === '' ? [] : [{ mode, owner, path }];
  });
}

export async function readFileOf(image: string, path: string): Promise<string> {
  return await withContainer(image, (id) => readFileIn(id, path));
}

/** Of a container, whether it runs or not; its volumes are read, too. */
export async function readFileIn(id: string, path: string): Promise<string> {
  const child = spawn('sh', ['-c', `docker cp '${id}:${path}' - | tar -x -O`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return (await buffer(child.stdout)).toString();
}

/** Standard output, then errors. */
export async function logsOf(id: string): Promise<string> {
  const { stdout, stderr } = await run('docker', ['logs', id], { maxBuffer: maxOutputBytes });
  return stdout + stderr;
}

/** Of every container of a project of Docker Compose, whether it runs or not, by the name of its service. */
export async function exitsOf(project: string): Promise<Record<string, { exitCode: number; outOfMemory: boolean }>> {
  const label = 'com.docker.compose';
  const ids = (await docker('ps', '--all', '--quiet', '--filter', `label=${label}.project=${project}`)).split('\n');
  const format = `{{index .Config.Labels "${label}.service"}} {{.State.ExitCode}} {{.State.OOMKilled}}`;
  const lines = (await docker('inspect', '--format', format, ...ids)).split('\n');
  return Object.fromEntries(
    lines.map((line) => {
      const [service = '', exitCode, outOfMemory] = line.split(' ');
      return [service, { exitCode: Number(exitCode), outOfMemory: outOfMemory === 'true' }];
    }),
  );
}
