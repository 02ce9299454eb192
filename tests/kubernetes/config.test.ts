import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { pythonPath, pythonProgram } from '#platform/repository.ts';
import { configFields } from '#platform/runtime/config-fields.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { artefactsConfig } from '../../services/artefacts/config.ts';
import { coordinatorConfig } from '../../services/coordinator/config.ts';
import { policyConfig } from '../../services/policy/config.ts';
import { retrievalConfig } from '../../services/retrieval/config.ts';
import { rewardConfig } from '../../services/reward/config.ts';
import { rolloutConfig } from '../../services/rollout/config.ts';
import {
  environmentOf,
  firstContainer,
  kubectlPresent,
  named,
  podsOfJobSet,
  render,
  renderWith,
  withKubectl,
  workloads,
  manifests,
  type Rendered,
  type Workload,
} from './rendered.ts';

const inTypeScript = {
  coordinator: coordinatorConfig,
  rollout: rolloutConfig,
  policy: policyConfig,
  retrieval: retrievalConfig,
  reward: rewardConfig,
} as const;
const inPython = {
  engine: 'gradus_learner.engine.config:EngineConfig',
  learner: 'gradus_learner.serve.config:LearnerConfig',
};

/** What the services themselves read of these variables. */
async function pythonConfig(target: string, variables: Record<string, string>): Promise<Record<string, unknown>> {
  const [module = '', name = ''] = target.split(':');
  const code = [
    'import os',
    'from gradus_learner.serve.config import load_config',
    `from ${module} import ${name}`,
    `unknown = [k for k in os.environ if k.startswith("GRADUS_") and k[7:].lower() not in ${name}.model_fields]`,
    'assert not unknown, f"not settings of this service: {unknown}"',
    `print(load_config(${name}, [], os.environ).model_dump_json())`,
  ].join('\n');
  const env = { ...variables, PYTHONPATH: pythonPath, PATH: process.env['PATH'] };
  const { stdout } = await promisify(execFile)(pythonProgram, ['-c', code], { env });
  return z.record(z.string(), z.unknown()).parse(JSON.parse(stdout));
}

const common = z.object({ grpc: z.string(), metrics: z.string(), drainMs: z.int(), insecureRemote: z.boolean() });
type Common = z.infer<typeof common>;

async function configOf(name: string, variables: Record<string, string>): Promise<Common> {
  const schema = Object.entries(inTypeScript).find(([service]) => service === name)?.[1];
  if (schema !== undefined) return common.parse(loadConfig<unknown>(schema, { env: variables }));
  const target = Object.entries(inPython).find(([service]) => service === name)?.[1];
  if (target === undefined) throw new Error(`this test knows no service ${name}`);
  const found = await pythonConfig(target, variables);
  return common.parse({ ...found, drainMs: found['drain_ms'], insecureRemote: found['insecure_remote'] });
}

/** Ours, not the broker. */
const services = [...Object.keys(inTypeScript), ...Object.keys(inPython)];
const pythonPresent = spawnSync(pythonProgram, ['--version']).status === 0;
/** Between the end of the drain and the end of the process a service closes its connections: `disposeMs` of run-service.ts. */
const disposeMs = 2_000;

describe.skipIf(!kubectlPresent)(withKubectl('the base: what the services read'), () => {
  let objects: Rendered[] = [];
  const workload = (name: string): Workload => {
    const found = workloads(objects).find(({ metadata }) => metadata.name === `gradus-${name}`);
    if (found === undefined) throw new Error(`the base has no workload gradus-${name}`);
    return found;
  };
  beforeAll(async () => {
    objects = await render(`${manifests}/base`);
  });

  test.each(Object.keys(inTypeScript))('%s: each variable is a setting that it knows', (name) => {
    const schema = Object.entries(inTypeScript).find(([service]) => service === name)?.[1];
    const known = schema === undefined ? [] : configFields(schema).map(({ variable }) => variable);
    const variables = environmentOf(firstContainer(workload(name)), objects);
    for (const variable of Object.keys(variables).filter((each) => each.startsWith('GRADUS_')))
      expect(known).toContain(variable);
  });

  test.each(services)(
    '%s: its variables are a config, and ports, probes and the time to stop are those of it',
    async (name) => {
      if (name in inPython && !pythonPresent) return console.warn(`skipped ${name}: no ${pythonProgram} here`);
      const { template } = workload(name).spec;
      const container = firstContainer(workload(name));
      const config = await configOf(name, environmentOf(container, objects));
      expect(config.insecureRemote).toBe(true);
      const port = (address: string): number => Number(address.split(':').at(-1));
      const ports = new Map(container.ports.map((one) => [one.name, one.containerPort]));
      expect(ports.get('grpc')).toBe(port(config.grpc));
      expect(ports.get('metrics')).toBe(port(config.metrics));
      for (const probe of [container.startupProbe, container.readinessProbe])
        expect(probe?.grpc).toEqual({ port: port(config.grpc) });
      expect(container.livenessProbe?.grpc).toEqual({ port: port(config.grpc), service: 'liveness' });
      const pauseMs = (container.lifecycle?.preStop.sleep?.seconds ?? 0) * 1000;
      expect(template.spec.terminationGracePeriodSeconds * 1000).toBeGreaterThan(pauseMs + config.drainMs + disposeMs);
    },
  );

  test.each(services)('%s: whom it is told to ask is a Service of the base, at a port that it has', (name) => {
    const variables = environmentOf(firstContainer(workload(name)), objects);
    const asked = Object.values(variables).flatMap((value) => [
      ...value.matchAll(/(?:^|\/)(gradus-[a-z-]+)(?:\.[a-z.-]+)?:(\d+)$/g),
    ]);
    if (name === 'rollout') expect(asked).toHaveLength(4);
    for (const [, host = '', port] of asked) {
      const { spec } = z
        .looseObject({
          spec: z.looseObject({ clusterIP: z.string().optional(), ports: z.array(z.looseObject({ port: z.int() })) }),
        })
        .parse(named(objects, 'Service', host));
      expect(spec.ports.map((one) => one.port)).toContain(Number(port));
      // Every address of a name is what only a headless Service gives.
      const byAddress = Object.values(variables).some((value) => value === `dns:///${host}:${port}`);
      expect(spec.clusterIP === 'None').toBe(byAddress);
    }
  });

  test('The artefact service next to a service is a config, on loopback, over files that both have, and the service is told of it', async () => {
    const withStore = workloads(objects).filter(({ spec }) => spec.template.spec.initContainers.length > 0);
    expect(withStore.map(({ metadata }) => metadata.name)).toEqual([
      'gradus-engine',
      'gradus-policy',
      'gradus-coordinator',
      'gradus-learner',
    ]);
    for (const each of withStore) {
      const name = each.metadata.name.replace('gradus-', '');
      const [sidecar] = each.spec.template.spec.initContainers;
      if (sidecar === undefined) throw new Error(`${name} has no artefact service`);
      // It starts first, and goes on.
      expect(sidecar).toMatchObject({ name: 'artefacts', restartPolicy: 'Always', args: ['serve', 'artefacts'] });
      const config = loadConfig(artefactsConfig, { env: environmentOf(sidecar, objects) });
      const own = environmentOf(firstContainer(each), objects);
      if (name !== 'policy') expect(own['GRADUS_ARTEFACTS']).toBe(config.grpc);
      expect(config.grpc).toMatch(/^127\.0\.0\.1:/);
      for (const probe of [sidecar.startupProbe, sidecar.readinessProbe, sidecar.livenessProbe])
        expect(probe?.httpGet).toMatchObject({ path: '/healthz', port: 'store-metrics' });
      expect(sidecar.ports).toEqual([
        { name: 'store-metrics', containerPort: Number(config.metrics.split(':').at(-1)) },
      ]);
      const places = [own['GRADUS_ARTEFACT_DIRECTORY'], ...config.fetch.map((entry) => entry.split('=')[0])];
      for (const place of places.filter((one) => one !== undefined)) expect(place).toMatch(/^\/var\/lib\/gradus\//);
      expect(config.roots).toEqual(['/var/lib/gradus']);
      // What it fetches is what the service is told to read.
      const read = own['GRADUS_MODEL'] ?? own['GRADUS_TOKENIZER'];
      expect(config.fetch.map((entry) => read?.startsWith(entry.split('=')[0] ?? '?'))).toEqual(
        read === undefined ? [] : [true],
      );
      const files = z.object({ name: z.literal('files'), mountPath: z.literal('/var/lib/gradus') }).loose();
      for (const container of [sidecar, firstContainer(each)])
        expect(
          z
            .array(z.unknown())
            .parse(container['volumeMounts'])
            .some((one) => files.safeParse(one).success),
        ).toBe(true);
    }
  });

  test('With vLLM, and in a JobSet, the artefact service comes before whatever reads its files', async () => {
    const pods = [
      ...workloads(await renderWith('gpu-engines')).map(({ spec }) => spec.template),
      ...(await renderWith('multi-gpu-learner')).filter(({ kind }) => kind === 'JobSet').flatMap(podsOfJobSet),
    ].filter(({ spec }) => spec.initContainers.length > 0);
    const orders = pods.map(({ spec }) => [...spec.initContainers, ...spec.containers].map(({ name }) => name));
    expect(orders).toEqual([
      ['artefacts', 'vllm', 'engine'],
      ['artefacts', 'policy'],
      ['artefacts', 'coordinator'],
      ['artefacts', 'learner'],
      ['artefacts', 'learner'],
    ]);
  });

  test('With certificates and an object store the artefact service alone has the certificate of its role and the keys', async () => {
    const rendered = await renderWith('multi-gpu-learner', 'object-store', 'tls');
    const pods = [
      ...workloads(rendered).map(({ spec }) => spec.template),
      ...rendered.filter(({ kind }) => kind === 'JobSet').flatMap(podsOfJobSet),
    ].filter(({ spec }) => spec.initContainers.length > 0);
    expect(pods).toHaveLength(4);
    const mounts = z.array(z.looseObject({ name: z.string(), mountPath: z.string() }));
    for (const { spec } of pods) {
      const [sidecar, ...others] = [...spec.initContainers, ...spec.containers];
      if (sidecar === undefined) throw new Error('a pod without containers');
      const secretOf = (container: typeof sidecar): unknown => {
        const mount = mounts.parse(container['volumeMounts']).find(({ mountPath }) => mountPath === '/etc/gradus/tls');
        return spec.volumes.find(({ name }) => name === mount?.name)?.['secret'];
      };
      const keysOf = (container: typeof sidecar) => container.envFrom.flatMap(({ secretRef }) => secretRef?.name ?? []);
      expect(secretOf(sidecar)).toMatchObject({ secretName: 'gradus-artefacts-tls' });
      expect(keysOf(sidecar)).toEqual(['gradus-object-store']);
      expect(loadConfig(artefactsConfig, { env: environmentOf(sidecar, rendered) })).toMatchObject({
        insecureRemote: false,
        tls: { cert: '/etc/gradus/tls/tls.crt' },
      });
      for (const probe of [sidecar.startupProbe, sidecar.readinessProbe, sidecar.livenessProbe])
        expect(probe?.httpGet).toMatchObject({ scheme: 'HTTPS' });
      for (const other of others) {
        expect(secretOf(other)).not.toMatchObject({ secretName: 'gradus-artefacts-tls' });
        expect(keysOf(other)).toEqual([]);
      }
    }
  });

  test('NATS keeps as many copies as it has servers, and its config is one', async () => {
    const nats = workload('nats');
    const container = firstContainer(nats);
    const replicas = nats.spec.replicas ?? 0;
    expect(replicas).toBe(3);
    for (const name of ['coordinator', 'rollout'])
      expect(environmentOf(firstContainer(workload(name)), objects)['GRADUS_NATS_REPLICAS']).toBe(String(replicas));
    const volume = nats.spec.template.spec.volumes.find(({ name }) => name === 'config');
    const { configMap } = z.looseObject({ configMap: z.object({ name: z.string() }) }).parse(volume);
    const map = z
      .looseObject({ data: z.object({ 'nats.conf': z.string() }) })
      .parse(named(objects, 'ConfigMap', configMap.name));
    const text = map.data['nats.conf'];
    for (let index = 0; index < replicas; index += 1)
      expect(text).toContain(`"nats-route://gradus-nats-${index}.gradus-nats-pods:6222"`);
    const ports = new Map(container.ports.map((one) => [one.name, one.containerPort]));
    expect(text).toContain(`listen: "0.0.0.0:${ports.get('client')}"`);
    expect(text).toContain(`http: "0.0.0.0:${ports.get('monitor')}"`);
    const seconds = Number(/lame_duck_duration: (\d+)s/.exec(text)?.[1]);
    expect(nats.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(seconds);
  });
});
