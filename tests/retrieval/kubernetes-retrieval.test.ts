import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { configFields } from '#platform/runtime/config-fields.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { retrievalConfig } from '../../services/retrieval/config.ts';

const manifests = join(import.meta.dirname, '../../deploy/kubernetes/retrieval');
const present = spawnSync('kubectl', ['kustomize', '--help']).status === 0;
const components = ['object-store-secret', 'network-policy'] as const;

const object = z.looseObject({ kind: z.string(), metadata: z.looseObject({ name: z.string() }) });
const reference = z.object({ name: z.string() });
const deploymentSchema = z.object({
  spec: z.object({
    replicas: z.int(),
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: z.looseObject({
        enableServiceLinks: z.boolean(),
        terminationGracePeriodSeconds: z.int(),
        containers: z.tuple([
          z.looseObject({
            image: z.string(),
            args: z.array(z.string()),
            env: z.undefined().optional(),
            envFrom: z.array(z.object({ configMapRef: reference.optional(), secretRef: reference.optional() })),
            ports: z.array(z.object({ name: z.string(), containerPort: z.int() })),
            readinessProbe: z.looseObject({ grpc: z.object({ port: z.int() }) }),
            livenessProbe: z.looseObject({ grpc: z.object({ port: z.int(), service: z.literal('liveness') }) }),
            resources: z.object({
              requests: z.object({ cpu: z.string(), memory: z.string() }),
              limits: z.looseObject({}),
            }),
            lifecycle: z.object({ preStop: z.object({ sleep: z.object({ seconds: z.int() }) }) }),
          }),
        ]),
      }),
    }),
  }),
});

function render(folder: string): z.infer<typeof object>[] {
  const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`kubectl kustomize ${folder}: ${stderr}`);
  return parseAllDocuments(stdout).map((document) => object.parse(document.toJS()));
}

function only(objects: readonly z.infer<typeof object>[], kind: string): z.infer<typeof object> {
  const found = objects.filter((one) => one.kind === kind);
  const [first] = found;
  if (found.length !== 1 || first === undefined) throw new Error(`expected one ${kind}, found ${found.length}`);
  return first;
}

describe.skipIf(!present)(`retrieval on Kubernetes${present ? '' : ' (skipped: no kubectl here)'}`, () => {
  let scratch = '';
  beforeAll(async () => {
    // Next to the base: kustomize reads nothing outside of what a kustomization's own path leads to.
    scratch = await mkdtemp(join(manifests, 'overlays', 'test-'));
  });
  afterAll(() => rm(scratch, { recursive: true, force: true }));

  async function combination(chosen: readonly string[]): Promise<z.infer<typeof object>[]> {
    const path = (...parts: string[]): string => relative(scratch, join(manifests, ...parts));
    const kustomization = {
      resources: [path('base')],
      components: chosen.map((name) => path('components', name)),
      images: [{ name: 'gradus', newName: 'registry.example/gradus', newTag: 'v1' }],
    };
    await writeFile(join(scratch, 'kustomization.yaml'), JSON.stringify(kustomization));
    return render(scratch);
  }

  const combinations = [[], [components[0]], [components[1]], [...components]];
  test.each(combinations.map((chosen) => [chosen]))('renders with the components %j', async (chosen) => {
    const objects = await combination(chosen);
    const { spec } = deploymentSchema.parse(only(objects, 'Deployment'));
    const [container] = spec.template.spec.containers;
    expect(container.image).toBe('registry.example/gradus:v1');
    expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels);
    const secrets = container.envFrom.flatMap(({ secretRef }) => secretRef?.name ?? []);
    expect(secrets).toEqual(chosen.includes('object-store-secret') ? ['gradus-retrieval-object-store'] : []);
    expect(objects.some(({ kind }) => kind === 'NetworkPolicy')).toBe(chosen.includes('network-policy'));
    // Secrets are referred to, never brought along.
    expect(objects.some(({ kind }) => kind === 'Secret')).toBe(false);
    expect(only(objects, 'PodDisruptionBudget')['spec']).toMatchObject({
      selector: { matchLabels: spec.selector.matchLabels },
    });
  });

  test("every variable is one that the service's config knows, and together they are a config", async () => {
    const objects = await combination([]);
    const { spec } = deploymentSchema.parse(only(objects, 'Deployment'));
    const pod = spec.template.spec;
    const [container] = pod.containers;
    const map = z
      .looseObject({ metadata: reference, data: z.record(z.string(), z.string()) })
      .parse(only(objects, 'ConfigMap'));
    expect(container.envFrom.map(({ configMapRef }) => configMapRef?.name)).toEqual([map.metadata.name]);
    expect(container.args).toEqual(['serve', 'retrieval']);
    const known = configFields(retrievalConfig).map(({ variable }) => variable);
    for (const name of Object.keys(map.data)) expect(known).toContain(name);
    const config = loadConfig(retrievalConfig, { env: map.data });
    expect(config).toMatchObject({ backend: 'lancedb', insecureRemote: true });

    const port = (address: string | undefined): number => Number(address?.split(':').at(-1));
    const ports = new Map(container.ports.map((one) => [one.name, one.containerPort]));
    expect(ports.get('grpc')).toBe(port(config.grpc));
    expect(ports.get('http')).toBe(port(config.http));
    expect(ports.get('metrics')).toBe(port(config.metrics));
    expect(container.readinessProbe.grpc.port).toBe(port(config.grpc));
    expect(container.livenessProbe.grpc.port).toBe(port(config.grpc));
    // Kubernetes would otherwise set variables for our Services that begin like the config's.
    expect(pod.enableServiceLinks).toBe(false);
    const stopMs = container.lifecycle.preStop.sleep.seconds * 1000 + config.drainMs;
    expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThan(stopMs);
  });

  test('the example overlay sets image, replicas, namespace and the place of the index', () => {
    const objects = render(join(manifests, 'overlays/example'));
    const { spec } = deploymentSchema.parse(only(objects, 'Deployment'));
    expect(spec.replicas).toBe(4);
    expect(spec.template.spec.containers[0].image).not.toMatch(/^gradus/);
    expect(only(objects, 'ConfigMap')['data']).toMatchObject({
      GRADUS_URI: expect.stringMatching(/^s3:\/\/example-bucket/),
    });
    for (const { metadata } of objects) expect(metadata['namespace']).toBe('gradus');
  });
});
