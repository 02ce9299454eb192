import { access, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { repositoryRoot } from '#platform/repository.ts';
import { parseYamlDocument } from '#platform/files/yaml-document.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { serviceConfigs } from '../fixtures/service-configs.ts';

const folder = join(repositoryRoot, 'deploy/compose');
const schema = z.object({
  services: z.record(
    z.string(),
    z.object({
      command: z.array(z.string()).default([]),
      environment: z.record(z.string(), z.string()).default({}),
      ports: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      read_only: z.boolean().default(false),
      cap_drop: z.array(z.string()).default([]),
    }),
  ),
});
const file = join(folder, 'compose.yaml');
const { services } = schema.parse(parseYamlDocument(await readFile(file, 'utf8'), file, { merge: true }).value);

/** `${NAME-default}` and `${NAME:-default}` where nobody has set the variable. */
const unset = (text: string): string => text.replaceAll(/\$\{\w+:?-([^}]*)\}/g, '$1');

const served = Object.entries(services).flatMap(([name, { command, environment }]) => {
  const [serve, service = ''] = command;
  const env = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, unset(value)]));
  return serve === 'serve' ? [{ name, service, env }] : [];
});

test('compose runs each service of a fleet', () => {
  const names = served.map(({ service }) => service);
  expect(names.toSorted()).toEqual(['coordinator', 'policy', 'retrieval', 'reward', 'rollout']);
});

test.each(served)('the settings of $name in compose are settings of $service, all of them', ({ service, env }) => {
  const config = serviceConfigs[service];
  if (config === undefined) throw new Error(`tests/fixtures/service-configs.ts has no ${service}`);
  const variables = { GRADUS_GRPC: '0.0.0.0:50051', GRADUS_METRICS: '0.0.0.0:9464', ...env };
  const parsed = z.record(z.string(), z.unknown()).parse(loadConfig(config, { env: variables }));
  const keys = Object.keys(env).map((name) =>
    name
      .slice('GRADUS_'.length)
      .toLowerCase()
      .replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
  );
  // A variable that no setting has is ignored by a service.
  expect(keys.filter((key) => !(key in parsed))).toEqual([]);
});

test.each(Object.entries(services))(
  '%s has a root that cannot be written, no capabilities and no port beyond loopback',
  (_, it) => {
    expect(it).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    expect(it.ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  },
);

test('the files that compose mounts are there', async () => {
  const mounted = Object.values(services).flatMap(({ volumes }) => volumes.map((volume) => volume.split(':')[0] ?? ''));
  const files = [...new Set(mounted.filter((path) => path.startsWith('.')))];
  expect(files.length).toBeGreaterThan(8);
  for (const path of files) await expect(access(resolve(folder, path))).resolves.toBeUndefined();
});

test('Prometheus scrapes every service of the fleet', async () => {
  const targets = await readFile(join(folder, 'prometheus/targets.yaml'), 'utf8');
  const fleet = [...served.map(({ name }) => name), 'engine', 'learner'];
  expect(fleet.filter((name) => !targets.includes(`'${name}:9464'`))).toEqual([]);
});
