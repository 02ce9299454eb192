/** Manifests as kustomize renders them, with the parts that the tests read. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { repositoryRoot } from '#platform/repository.ts';

export const manifests = join(repositoryRoot, 'deploy/kubernetes');
export const kubectlPresent = spawnSync('kubectl', ['kustomize', '--help']).status === 0;
export const withKubectl = (title: string): string => `${title}${kubectlPresent ? '' : ' (skipped: no kubectl here)'}`;

const anObject = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
});
export type Rendered = z.infer<typeof anObject>;

const labels = z.record(z.string(), z.string());
const probe = z.looseObject({
  grpc: z.object({ port: z.int(), service: z.string().optional() }).optional(),
  httpGet: z.looseObject({ port: z.union([z.int(), z.string()]) }).optional(),
});
export const containerSchema = z.looseObject({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()).optional(),
  command: z.array(z.string()).optional(),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).default([]),
  envFrom: z
    .array(
      z.object({
        configMapRef: z.object({ name: z.string() }).optional(),
        secretRef: z.object({ name: z.string() }).optional(),
      }),
    )
    .default([]),
  ports: z.array(z.looseObject({ name: z.string(), containerPort: z.int() })).default([]),
  startupProbe: probe.optional(),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  resources: z.object({ requests: labels, limits: labels }),
  securityContext: z.looseObject({}),
  lifecycle: z.looseObject({ preStop: z.looseObject({ sleep: z.object({ seconds: z.int() }).optional() }) }).optional(),
});
export type Container = z.infer<typeof containerSchema>;

export const podSchema = z.looseObject({
  metadata: z.looseObject({ labels }),
  spec: z.looseObject({
    serviceAccountName: z.string(),
    priorityClassName: z.string(),
    automountServiceAccountToken: z.boolean(),
    enableServiceLinks: z.boolean(),
    terminationGracePeriodSeconds: z.int(),
    securityContext: z.looseObject({}),
    topologySpreadConstraints: z.array(z.looseObject({})).default([]),
    initContainers: z.array(containerSchema).default([]),
    containers: z.array(containerSchema).min(1),
    volumes: z.array(z.looseObject({ name: z.string() })).default([]),
  }),
});

const workloadSchema = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), labels: labels.default({}) }),
  spec: z.looseObject({
    replicas: z.int().optional(),
    selector: z.object({ matchLabels: labels }).optional(),
    template: podSchema,
  }),
});
export type Workload = z.infer<typeof workloadSchema>;

/** Of the pods that are made of objects; the pods of a JobSet lie deeper. */
export function workloads(objects: readonly Rendered[]): Workload[] {
  return objects
    .filter(({ kind }) => ['Deployment', 'StatefulSet', 'Job'].includes(kind))
    .map((one) => workloadSchema.parse(one));
}

export function podsOfJobSet(object: Rendered): z.infer<typeof podSchema>[] {
  const job = z.looseObject({ template: z.looseObject({ spec: z.looseObject({ template: podSchema }) }) });
  const { spec } = z.looseObject({ spec: z.looseObject({ replicatedJobs: z.array(job) }) }).parse(object);
  return spec.replicatedJobs.map(({ template }) => template.spec.template);
}

export function firstContainer({ metadata, spec }: Workload): Container {
  const [container] = spec.template.spec.containers;
  if (container === undefined) throw new Error(`${metadata.name} has no container`);
  return container;
}

/** The environment of a container, as far as the manifests say it; `valueFrom` becomes a value of that kind. */
export function environmentOf(container: Container, objects: readonly Rendered[]): Record<string, string> {
  const maps = container.envFrom.map(({ configMapRef }) => {
    if (configMapRef === undefined) return {};
    const { data } = z.looseObject({ data: labels }).parse(named(objects, 'ConfigMap', configMapRef.name));
    return data;
  });
  const own = container.env.map(({ name, value }) => [name, value?.replace('$(POD_IP)', '10.0.0.1') ?? 'from-the-pod']);
  return Object.assign({}, ...maps, Object.fromEntries(own)) as Record<string, string>;
}

export function named(objects: readonly Rendered[], kind: string, name: string): Rendered {
  const found = objects.find((one) => one.kind === kind && one.metadata.name === name);
  if (found !== undefined) return found;
  const there = objects.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name);
  throw new Error(`there is no ${kind} ${name}; there are ${there.join(', ') || 'none'}`);
}

export async function render(folder: string): Promise<Rendered[]> {
  const { stdout } = await promisify(execFile)('kubectl', ['kustomize', folder], { maxBuffer: 64 * 1024 * 1024 });
  return parseAllDocuments(stdout).map((document) => anObject.parse(document.toJS()));
}

/** The base with these components. */
export async function renderWith(...components: readonly string[]): Promise<Rendered[]> {
  const build = join(repositoryRoot, '.build');
  await mkdir(build, { recursive: true });
  const folder = await mkdtemp(join(build, 'kubernetes-test-'));
  try {
    const at = relative(folder, manifests);
    const kustomization = {
      resources: [`${at}/base`],
      components: components.map((name) => `${at}/components/${name}`),
    };
    await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
    return await render(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
