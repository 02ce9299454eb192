import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { repositoryRoot } from '#platform/repository.ts';
import { docker, filesOf, readFileOf, type ImageFile } from './docker.ts';

const images = inject('images');
const user = '10001:10001';
/** As a cluster runs it. */
const confined = ['--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges:true'];
/** More often than a cluster asks. */
const asked = ['--health-interval', '2s', '--health-retries', '2'];
const settings = ['--env', 'GRADUS_INSECURE_REMOTE=true'];
const model = ['--volume', `${join(repositoryRoot, 'policies')}:/var/lib/gradus/policies:ro`];
const engine = ['GRADUS_ROOTS=/var/lib/gradus', 'GRADUS_MODEL=/var/lib/gradus/policies/nano', 'GRADUS_MAX_CONTEXT=256'];

const cases = [
  { name: 'services', image: images?.services ?? '', starts: [...settings], command: ['serve', 'reward'] },
  {
    name: 'learner',
    image: images?.learner ?? '',
    starts: [...settings, ...model, ...engine.flatMap((each) => ['--env', each])],
    command: ['python3', '-m', 'gradus_learner.engine'],
  },
] as const;

describe.skipIf(images === undefined).each(cases)('the image of $name', ({ name, image, starts, command }) => {
  let files: ImageFile[] = [];
  beforeAll(async () => {
    files = await filesOf(image);
  });

  test('says what it is, and runs as a user who is not root', async () => {
    const described = z
      .object({
        User: z.string(),
        Labels: z.record(z.string(), z.string()),
        Healthcheck: z.object({ Test: z.array(z.string()) }),
      })
      .parse(JSON.parse(await docker('image', 'inspect', '--format', '{{json .Config}}', image)));
    expect(described.User).toBe(user);
    expect(described.Healthcheck.Test[0]).toBe('CMD');
    expect(described.Labels).toMatchObject({
      'org.opencontainers.image.title': `gradus/${name}`,
      'org.opencontainers.image.licenses': 'Apache-2.0',
      'org.opencontainers.image.version': '0.0.0-test',
      'org.opencontainers.image.revision': 'tested',
    });
  });

  // The official image of Python has a shell: where that is too much, RUNTIME_IMAGE is another one.
  test.skipIf(name === 'learner' && images?.base === '')(
    'has no shell, no package manager, no program that becomes root, and no sources of tests',
    () => {
      const tools = /(?:^|\/)(?:sh|ash|bash|dash|busybox|perl|apt|apt-get|dpkg|apk|npm|npx|pip3?|curl|wget)$/;
      expect(files.length).toBeGreaterThan(5000);
      expect(files.filter(({ path, mode }) => tools.test(path) && !mode.startsWith('d'))).toEqual([]);
      expect(files.filter(({ mode }) => /^-..s|^-.....s/.test(mode))).toEqual([]);
      expect(files.filter(({ path }) => /^opt\/gradus\/(?:tests|services\/.*\.test\.ts)/.test(path))).toEqual([]);
    },
  );

  test('has one place that its user can write, apart from those for temporary files', () => {
    const writable = files.filter(
      ({ owner, mode }) =>
        !mode.startsWith('l') &&
        (mode[8] === 'w' ||
          (owner.startsWith('10001/') && mode[2] === 'w') ||
          (owner.endsWith('/10001') && mode[5] === 'w')),
    );
    const temporary = ['tmp/', 'var/tmp/', 'run/lock/'];
    expect(writable.map(({ path }) => path).filter((path) => !temporary.includes(path))).toEqual(['var/lib/gradus/']);
  });

  test('lists its packages, those and no others', async () => {
    const listed = z
      .object({ bomFormat: z.literal('CycloneDX'), components: z.array(z.object({ purl: z.string() })) })
      .parse(JSON.parse(await readFileOf(image, '/opt/gradus/sbom.cdx.json')));
    const installed = name === 'services' ? await installedByNpm(files) : installedByPip(files);
    expect(installed.length).toBeGreaterThan(30);
    const urls = listed.components.map(({ purl }) => purl.toLowerCase());
    expect([...new Set(urls)].toSorted()).toEqual([...new Set(installed)].toSorted());
  });

  test('P10 serves from a root that cannot be written, is healthy, and is unhealthy while it does not answer', async () => {
    const id = await docker('run', '--detach', ...confined, ...starts, ...asked, image, ...command);
    onTestFinished(async () => void (await docker('rm', '--force', '--volumes', id)));
    await expect.poll(() => health(id)).toBe('healthy');
    expect(await docker('top', id, '-o', 'pid,uid,gid')).toMatch(/^PID\s+UID\s+GID\n(?:\d+\s+10001\s+10001\n?)+$/);
    // From outside: the first process of a container may not stop itself.
    await docker('kill', '--signal', 'STOP', id);
    await expect.poll(() => health(id)).toBe('unhealthy');
    await docker('kill', '--signal', 'CONT', id);
    await expect.poll(() => health(id)).toBe('healthy');
  });

  test('P3 ends with 0 when it is told to stop', async () => {
    const id = await docker('run', '--detach', ...confined, ...starts, ...asked, image, ...command);
    onTestFinished(async () => void (await docker('rm', '--force', '--volumes', id)));
    await expect.poll(() => health(id)).toBe('healthy');
    await docker('stop', '--time', '60', id);
    expect(await docker('inspect', '--format', '{{.State.ExitCode}} {{.State.OOMKilled}}', id)).toBe('0 false');
  });

  test('names what is wrong with its settings, and ends with another code than 0', async () => {
    const run = docker('run', '--rm', ...confined, ...starts, '--env', 'GRADUS_GRPC=nonsense', image, ...command);
    await expect(run).rejects.toThrow(/grpc.*nonsense/is);
  });
});

async function health(id: string): Promise<string> {
  const state = await docker('inspect', '--format', '{{.State.Status}} {{.State.Health.Status}}', id);
  if (state.startsWith('exited')) throw new Error(`the container ended: ${await docker('logs', '--tail', '20', id)}`);
  return state.split(' ')[1] ?? '';
}

/** Package URLs of the folders of `node_modules` that are in the image, with the versions of the lock file. */
async function installedByNpm(files: readonly ImageFile[]): Promise<string[]> {
  const lock = z
    .object({
      packages: z.record(z.string(), z.object({ name: z.string().optional(), version: z.string().optional() })),
    })
    .parse(JSON.parse(await readFile(join(repositoryRoot, 'package-lock.json'), 'utf8')));
  const there = new Set(files.map(({ path }) => path));
  return Object.entries(lock.packages).flatMap(([path, { name, version = '' }]) => {
    if (path === '' || !there.has(`opt/gradus/${path}/package.json`)) return [];
    const called = name ?? path.split('node_modules/').at(-1) ?? '';
    return [`pkg:npm/${called.replace('@', '%40')}@${version}`.toLowerCase()];
  });
}

function installedByPip(files: readonly ImageFile[]): string[] {
  return files.flatMap(({ path }) => {
    const [, name, version] = /site-packages\/([^/]+)-([^/-]+)\.dist-info\/$/.exec(path) ?? [];
    if (name === undefined || version === undefined) return [];
    return [`pkg:pypi/${name.replaceAll(/[._]/g, '-')}@${version.replace('+', '%2B')}`.toLowerCase()];
  });
}
