import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  firstContainer,
  kubectlPresent,
  manifests,
  named,
  render,
  renderWith,
  withKubectl,
  workloads,
  type Rendered,
} from './rendered.ts';

const foldersOf = (kind: string): string[] => readdirSync(join(manifests, kind)).sort();
// These change what others bring, and come last: deploy/kubernetes/README.md.
const last = ['kueue', 'network-policies', 'tls'];
const components = foldersOf('components').toSorted((a, b) => last.indexOf(a) - last.indexOf(b));
// Each stands in the place of another one.
const without = (...names: readonly string[]): string[] => components.filter((name) => !names.includes(name));

/** Kubernetes' "restricted" profile, a read-only root, and no more of its API than a pod needs: none. */
function expectRestricted(objects: readonly Rendered[]): void {
  for (const { metadata, spec } of workloads(objects)) {
    const pod = spec.template.spec;
    expect(pod.securityContext, metadata.name).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(pod, metadata.name).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
    for (const key of ['hostNetwork', 'hostPID', 'hostIPC'])
      expect(pod[key], `${metadata.name}: ${key}`).toBeUndefined();
    for (const volume of pod.volumes) expect(volume['hostPath'], `${metadata.name}: ${volume.name}`).toBeUndefined();
    for (const container of [...pod.initContainers, ...pod.containers]) {
      expect(container.securityContext, `${metadata.name}: ${container.name}`).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(Object.keys(container.resources.requests), `${metadata.name}: ${container.name}`).toEqual(
        expect.arrayContaining(['cpu', 'memory']),
      );
      expect(container.resources.limits, `${metadata.name}: ${container.name}`).toHaveProperty('memory');
      expect(container.image, `${metadata.name}: ${container.name}`).toMatch(/:(?!latest)[\w.-]+$/);
    }
  }
}

/** What one object says of another by name or by label is there. */
function expectReferences(objects: readonly Rendered[]): void {
  const selecting = z.looseObject({ selector: z.object({ matchLabels: z.record(z.string(), z.string()) }) });
  for (const { metadata, spec } of workloads(objects)) {
    named(objects, 'ServiceAccount', spec.template.spec.serviceAccountName);
    named(objects, 'PriorityClass', spec.template.spec.priorityClassName);
    if (spec.selector !== undefined) expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels);
    const budgets = objects
      .filter(({ kind }) => kind === 'PodDisruptionBudget')
      .filter((budget) =>
        Object.entries(selecting.parse(budget['spec']).selector.matchLabels).every(
          ([label, value]) => spec.template.metadata.labels[label] === value,
        ),
      );
    if (spec.selector !== undefined) expect(budgets, `budgets of ${metadata.name}`).toHaveLength(1);
    for (const volume of spec.template.spec.volumes) {
      const claim = z.looseObject({ claimName: z.string() }).safeParse(volume['persistentVolumeClaim']);
      if (claim.success) named(objects, 'PersistentVolumeClaim', claim.data.claimName);
    }
    // Secrets are referred to, never brought along.
    expect(objects.some(({ kind }) => kind === 'Secret')).toBe(false);
  }
}

describe.skipIf(!kubectlPresent)(withKubectl('pods on Kubernetes'), () => {
  const cases = [
    [],
    ...components.map((name) => [name]),
    without('autoscaling-workers-hpa', 'gpu-learner'),
    without('autoscaling-workers', 'multi-gpu-learner'),
  ];
  test.each(cases.map((chosen) => ({ chosen })))(
    'are restricted, and what they name is there, with $chosen',
    async ({ chosen }) => {
      const objects = await renderWith(...chosen);
      expectRestricted(objects);
      expectReferences(objects);
    },
  );

  test.each(foldersOf('overlays'))('are restricted, and what they name is there, in the overlay %s', async (name) => {
    const objects = await render(join(manifests, 'overlays', name));
    expectRestricted(objects);
    expectReferences(objects);
    const clusterWide = ['Namespace', 'PriorityClass', 'ClusterIssuer', 'ClusterQueue', 'ResourceFlavor'];
    for (const { kind, metadata } of objects)
      if (!clusterWide.includes(kind)) expect(metadata.namespace, `${kind} ${metadata.name}`).toBeDefined();
  });

  test('the base has a workload, a Service, an account and a budget for each service', async () => {
    const objects = await renderWith();
    const found = workloads(objects).map(({ metadata }) => metadata.name);
    const names = ['coordinator', 'engine', 'learner', 'nats', 'policy', 'retrieval', 'reward', 'rollout'];
    expect(found.sort()).toEqual(names.map((name) => `gradus-${name}`));
    for (const name of found)
      for (const kind of ['Service', 'ServiceAccount', 'PodDisruptionBudget']) named(objects, kind, name);
    for (const workload of workloads(objects)) {
      expect(workload.spec.template.spec.topologySpreadConstraints).not.toEqual([]);
      const { startupProbe, readinessProbe, livenessProbe } = firstContainer(workload);
      for (const probe of [startupProbe, readinessProbe, livenessProbe]) expect(probe).toBeDefined();
    }
  });
});
