/** Builds both images before the tests, with the engine's own builder, and writes down how large they are. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { repositoryRoot } from '#platform/repository.ts';
import { docker, missingCompose, missingEngine } from './docker.ts';

export interface TestImages {
  /** Where base images came from: `gradus-base`, or empty for a registry. */
  readonly base: string;
  readonly services: string;
  readonly learner: string;
  /** Empty: the one that compose names. */
  readonly nats: string;
  /** Whether Docker Compose answers, too. */
  readonly compose: boolean;
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Undefined where there is no engine. */
    readonly images: TestImages | undefined;
  }
}

const sizesFile = join(repositoryRoot, '.build/containers/images.json');
/** `gradus-base` of deploy/docker/base-image; empty: what the Dockerfiles and compose name, from a registry. */
const base = process.env['TEST_BASE_IMAGES'] ?? '';
const built = { services: 'gradus-test/services', learner: 'gradus-test/learner' } as const;

export default async function setup(project: TestProject): Promise<void> {
  const missing = await missingEngine();
  if (missing !== undefined) {
    process.stderr.write(
      `skipped: every test of images, since no Docker engine answers; start one, or name one by DOCKER_HOST. ${missing}\n`,
    );
    project.provide('images', undefined);
    return;
  }
  await build('services', { BUILD_IMAGE: 'build', RUNTIME_IMAGE: 'runtime' });
  // Where nothing can be pulled pip's own index has to do.
  await build('learner', { BUILD_IMAGE: 'build', RUNTIME_IMAGE: 'python' }, base === '' ? [] : ['TORCH_INDEX=']);
  const sizes: Record<string, number> = {};
  for (const image of Object.values(built))
    sizes[image] = Number(await docker('image', 'inspect', '--format', '{{.Size}}', image));
  await mkdir(join(sizesFile, '..'), { recursive: true });
  await writeFile(sizesFile, `${JSON.stringify({ base: base || 'registry', sizeBytes: sizes }, null, 2)}\n`);
  process.stderr.write(`sizes of images: ${sizesFile}\n`);
  const noCompose = await missingCompose();
  if (noCompose !== undefined)
    process.stderr.write(`skipped: the fleet of compose, since Docker Compose 2 does not answer. ${noCompose}\n`);
  const nats = base === '' ? '' : `${base}/nats-server`;
  project.provide('images', { base, ...built, nats, compose: noCompose === undefined });
}

async function build(
  name: keyof typeof built,
  stages: Readonly<Record<string, string>>,
  more: readonly string[] = [],
): Promise<void> {
  const bases = base === '' ? [] : Object.entries(stages).map(([key, image]) => `${key}=${base}/${image}`);
  const args = [...bases, ...more, 'VERSION=0.0.0-test', 'REVISION=tested'].flatMap((arg) => ['--build-arg', arg]);
  const file = join(repositoryRoot, `deploy/docker/${name}.Dockerfile`);
  // Builds reach what this machine reaches.
  const command = ['build', '--network', 'host', '-f', file, '-t', built[name], ...args, repositoryRoot];
  const child = spawn('docker', command, { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`docker ${command.join(' ')} ended with ${code}`);
}
