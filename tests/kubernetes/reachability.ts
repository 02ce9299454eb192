/** Which pods reach which, as a network that enforces the policies reads them. Peers in other namespaces and addresses are no pods. */
import { z } from 'zod';
import type { Rendered } from './rendered.ts';

const labels = z.record(z.string(), z.string());
const selector = z.object({ matchLabels: labels.default({}) });
const peer = z.looseObject({
  podSelector: selector.optional(),
  namespaceSelector: z.unknown().optional(),
  ipBlock: z.unknown().optional(),
});
const ports = z.array(z.looseObject({ port: z.union([z.int(), z.string()]) })).optional();
const policySchema = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.object({
    podSelector: selector,
    policyTypes: z.array(z.enum(['Ingress', 'Egress'])),
    ingress: z.array(z.object({ from: z.array(peer).optional(), ports })).default([]),
    egress: z.array(z.object({ to: z.array(peer).optional(), ports })).default([]),
  }),
});
export type NetworkPolicy = z.infer<typeof policySchema>;

export interface Pod {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The numbers of its ports by name. */
  readonly ports: Readonly<Record<string, number>>;
}

export function networkPolicies(objects: readonly Rendered[]): NetworkPolicy[] {
  return objects.filter(({ kind }) => kind === 'NetworkPolicy').map((one) => policySchema.parse(one));
}

function selects({ matchLabels }: z.infer<typeof selector>, pod: Pod): boolean {
  return Object.entries(matchLabels).every(([key, value]) => pod.labels[key] === value);
}

function includes(peers: readonly z.infer<typeof peer>[] | undefined, pod: Pod): boolean {
  if (peers === undefined) return true;
  return peers.some(
    ({ podSelector, namespaceSelector, ipBlock }) =>
      podSelector !== undefined &&
      namespaceSelector === undefined &&
      ipBlock === undefined &&
      selects(podSelector, pod),
  );
}

function opens(allowed: z.infer<typeof ports>, target: Pod, port: number): boolean {
  return (
    allowed === undefined ||
    allowed.some(({ port: each }) => (typeof each === 'string' ? target.ports[each] : each) === port)
  );
}

/** `from > to:port` of everything that the policies of the receivers let in. */
export function letIn(policies: readonly NetworkPolicy[], pods: readonly Pod[], numbers: readonly number[]): string[] {
  return pairs(pods, numbers, (from, to, port) => {
    const own = policies.filter(({ spec }) => spec.policyTypes.includes('Ingress') && selects(spec.podSelector, to));
    const rules = own.flatMap(({ spec }) => spec.ingress);
    return own.length === 0 || rules.some((rule) => includes(rule.from, from) && opens(rule.ports, to, port));
  });
}

/** `from > to:port` of everything that the policies of the senders let out. */
export function letOut(policies: readonly NetworkPolicy[], pods: readonly Pod[], numbers: readonly number[]): string[] {
  return pairs(pods, numbers, (from, to, port) => {
    const own = policies.filter(({ spec }) => spec.policyTypes.includes('Egress') && selects(spec.podSelector, from));
    const rules = own.flatMap(({ spec }) => spec.egress);
    return own.length === 0 || rules.some((rule) => includes(rule.to, to) && opens(rule.ports, to, port));
  });
}

function pairs(
  pods: readonly Pod[],
  numbers: readonly number[],
  reaches: (from: Pod, to: Pod, port: number) => boolean,
): string[] {
  return pods
    .flatMap((from) =>
      pods.flatMap((to) =>
        numbers.filter((port) => reaches(from, to, port)).map((port) => `${from.name} > ${to.name}:${port}`),
      ),
    )
    .sort();
}
