import { access, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { repositoryRoot } from '#platform/repository.ts';
import { parseYamlDocument } from '#platform/files/yaml-document.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { roleNames } from '#platform/security/roles.ts';
import { serviceConfigs } from '../fixtures/service-configs.ts';

const folder = join(repositoryRoot, 'deploy/compose');
const schema = z.object({
  services: z.record(
    z.string(),
    z.object({
      command: z.array(z.string()).default([]),
      environment: z.record(z.string(), z.string()).default({}),
      ports: z.array(z.string()).default([]),
      // A volume in the long form is one of the engine's own.
      volumes: z
        .array(z.union([z.string(), z.object({ source: z.string(), target: z.string() })]))
        .default([])
        .transform((each) => each.map((it) => (typeof it === 'string' ? it : `${it.source}:${it.target}`))),
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

const mounts = (name: string): string[] => services[name]?.volumes ?? [];

test('compose runs each service of a fleet', () => {
  const names = served.map(({ service }) => service);
  const stores = ['artefacts', 'artefacts', 'artefacts'];
  expect(names.toSorted()).toEqual([...stores, 'coordinator', 'policy', 'retrieval', 'reward', 'rollout']);
});

test.each(served)('the settings of $name in compose are settings of $service, all of them', ({ service, env }) => {
  const config = serviceConfigs[service];
  if (config === undefined) throw new Error(`tests/fixtures/service-configs.ts has no ${service}`);
  const variables = { GRADUS_GRPC: '0.0.0.0:50051', GRADUS_METRICS: '0.0.0.0:9464', ...env };
  const parsed = z.record(z.string(), z.unknown()).parse(loadConfig(config, { env: variables }));
  const keys = Object.keys(env).map((name) =>
    name
      .slice('GRADUS_'.length)
      .replace(/^TLS_.+/, 'TLS')
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

test('each service mounts the certificate of its own role, and no other', () => {
  const fleet = [...served, { name: 'engine', service: 'engine' }, { name: 'learner', service: 'learner' }];
  const holders = [...fleet, { name: 'nats', service: 'nats' }, { name: 'prometheus', service: 'metrics' }];
  for (const { name, service } of [...holders, { name: 'demo', service: 'operator' }])
    expect([name, mounts(name).filter((volume) => /^(?:tls-|authority)/.test(volume))]).toEqual([
      name,
      [`tls-${service}:/etc/gradus/tls:ro`],
    ]);
  for (const { name } of fleet)
    expect(services[name]?.environment).toMatchObject({
      GRADUS_TLS_CA: '/etc/gradus/tls/ca.crt',
      GRADUS_TLS_CERT: '/etc/gradus/tls/tls.crt',
      GRADUS_TLS_KEY: '/etc/gradus/tls/tls.key',
    });
  // Those that are made, next to the authority.
  const made = mounts('credentials').map((volume) => volume.split('/').at(-1) ?? '');
  expect(made.filter((role) => !roleNames.includes(role))).toEqual(['authority']);
  const allowed = ['volumes', 'credentials'];
  const authority = Object.keys(services).filter((name) => mounts(name).some((each) => each.startsWith('authority:')));
  expect(authority.toSorted()).toEqual(allowed.toSorted());
});

test('no two of learner, engine and coordinator share a folder that one of them writes', () => {
  const written = ['learner', 'engine', 'coordinator', 'rollout', 'policy', 'retrieval'].flatMap((name) =>
    mounts(name).flatMap((volume) => (volume.endsWith(':ro') ? [] : [volume.split(':')[0] ?? ''])),
  );
  expect(written.toSorted()).toEqual(['engine', 'learner', 'runs']);
});

test('Prometheus in compose is configured as the other one, with certificates', async () => {
  const read = async (path: string): Promise<unknown> => parseYamlDocument(await readFile(path, 'utf8'), path).value;
  const [ours, other] = await Promise.all(
    [join(folder, 'prometheus/prometheus.yaml'), join(repositoryRoot, 'deploy/prometheus/prometheus.yaml')].map(read),
  );
  const jobs = z.looseObject({ scrape_configs: z.array(z.looseObject({ job_name: z.string() })) });
  const { scrape_configs: secured, ...settings } = jobs.parse(ours);
  const { scrape_configs: plain, ...expected } = jobs.parse(other);
  expect(settings).toEqual(expected);
  expect(secured.map(({ job_name: job, scheme }) => [job, scheme])).toEqual(
    plain.map(({ job_name: job }) => [job, 'https']),
  );
});

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
