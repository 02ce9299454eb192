import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { DescService } from '@bufbuild/protobuf';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { natsUsers } from '#platform/nats/permissions.ts';
import { callersOf, nameOfRole, roleNames, serverOf } from '#platform/security/roles.ts';
import { letIn, letOut, networkPolicies, type NetworkPolicy, type Pod } from './reachability.ts';
import { kubectlPresent, manifests, renderWith, withKubectl, workloads } from './rendered.ts';

const contracts = [CoordinatorService, LearnerService, EngineService, PolicyService, RetrievalService, RewardService];
/** A worker serves no contract, and calls. */
const services = [...contracts.map((contract) => serverOf(contract) ?? contract.typeName), 'rollout'];
const people = ['operator', 'viewer'];
/** Services whose callers may be pods that are not Gradus, with a label. */
const open = ['coordinator', 'policy', 'retrieval'];

function callersOfService(contract: DescService): readonly string[] {
  return [...new Set(contract.methods.flatMap(callersOf))];
}

/** The calls between services: gRPC by the options of the contracts, the rest by docs/protocol.md. */
function calls(pods: readonly Pod[]): string[] {
  const withStore = pods.filter(({ labels }) => labels['gradus.dev/artefacts'] === 'true').map(({ name }) => name);
  const onNats = services.filter((role) => natsUsers().includes(`"${nameOfRole(role)}"`));
  return [
    ...contracts.flatMap((contract) =>
      callersOfService(contract)
        .filter((role) => services.includes(role))
        .map((role) => `${role} > ${serverOf(contract)}:50051`),
    ),
    // The store of the base is a bucket of NATS.
    ...new Set([...onNats, ...withStore].map((role) => `${role} > nats:4222`)),
    // The servers of a cluster, and sessions of agents that a gateway passes on to the worker which plays them.
    'nats > nats:6222',
    'policy > rollout:50052',
  ].sort();
}

/** What pods with a label may reach besides. Retrieval's port 8080 is its HTTP API for tools. */
const callsFromOutside = [
  ...open.map((role) => `client of ${role} > ${role}:50051`),
  'client of retrieval > retrieval:8080',
];

function problems(policies: readonly NetworkPolicy[], pods: readonly Pod[]): string[] {
  const numbers = [
    ...new Set([22, ...pods.flatMap(({ ports }) => Object.values(ports)), 50051, 50052, 4222, 6222, 8080]),
  ];
  const outside = open.map((role): Pod => ({
    name: `client of ${role}`,
    labels: { [`gradus.dev/${role}-client`]: 'true' },
    ports: {},
  }));
  const differ = (what: string, are: readonly string[], should: readonly string[]): string[] => [
    ...should.filter((each) => !are.includes(each)).map((each) => `${what} is missing: ${each}`),
    ...are.filter((each) => !should.includes(each)).map((each) => `${what} that nobody needs: ${each}`),
  ];
  return [
    ...differ('egress', letOut(policies, pods, numbers), calls(pods)),
    ...differ('ingress', letIn(policies, [...pods, ...outside], numbers), [...calls(pods), ...callsFromOutside]),
  ];
}

type Direction = 'ingress' | 'egress';

function peersOf({ spec }: NetworkPolicy, direction: Direction, rule: number) {
  return (direction === 'ingress' ? spec.ingress[rule]?.from : spec.egress[rule]?.to) ?? [];
}

/** The policies without one peer of one rule, for each. */
function withoutOnePeer(
  policies: readonly NetworkPolicy[],
): { readonly left: NetworkPolicy[]; readonly out: string }[] {
  const variants: { left: NetworkPolicy[]; out: string }[] = [];
  for (const [index, policy] of policies.entries()) {
    for (const direction of ['ingress', 'egress'] as const) {
      for (const rule of policy.spec[direction].keys()) {
        for (const [position, one] of peersOf(policy, direction, rule).entries()) {
          if (one.podSelector === undefined || one.namespaceSelector !== undefined) continue;
          const copy = structuredClone(policy);
          peersOf(copy, direction, rule).splice(position, 1);
          variants.push({
            left: policies.with(index, copy),
            out: `${policy.metadata.name} ${direction} ${rule}.${position}`,
          });
        }
      }
    }
  }
  return variants;
}

describe.skipIf(!kubectlPresent)(withKubectl('network policies'), () => {
  let policies: NetworkPolicy[] = [];
  let pods: Pod[] = [];

  beforeAll(async () => {
    const objects = await renderWith('network-policies');
    policies = networkPolicies(objects);
    pods = workloads(objects).map(({ metadata, spec }) => ({
      name: metadata.name.replace('gradus-', ''),
      labels: spec.template.metadata.labels,
      ports: Object.fromEntries(
        spec.template.spec.containers.flatMap(({ ports }) => ports.map((port) => [port.name, port.containerPort])),
      ),
    }));
  });

  test('Each service of a contract, and NATS, is a pod that policies are about', () => {
    expect(pods.map(({ name }) => name).sort()).toEqual([...services, 'nats'].sort());
  });

  test('Whoever may call another by the contracts has an egress, the other an ingress, and nobody else', () => {
    expect(problems(policies, pods)).toEqual([]);
  });

  test('A pod that is not Gradus reaches only services whose contract names people', () => {
    const named = contracts.filter((contract) => callersOfService(contract).some((role) => people.includes(role)));
    expect(named.map((contract) => serverOf(contract))).toEqual(expect.arrayContaining(open));
  });

  test('Each peer of a rule is needed: without it, a call is missing', () => {
    const variants = withoutOnePeer(policies);
    expect(variants.length).toBeGreaterThan(20);
    expect(variants.filter(({ left }) => problems(left, pods).length === 0).map(({ out }) => out)).toEqual([]);
  });

  test('Without the policy that denies by default and those of the pods, everybody reaches everybody', () => {
    expect(problems([], pods)).toContain('egress that nobody needs: reward > nats:4222');
  });
});

test('The NATS of components/tls has the users and permissions that gradus credentials makes', async () => {
  const configuration = await readFile(join(manifests, 'components/tls/nats.conf'), 'utf8');
  expect(configuration).toContain(natsUsers());
  const roles = [...configuration.matchAll(/user: "([^"]+)"/g)].map(([, user]) => user);
  expect(roles).toEqual(roleNames.map(nameOfRole).filter((name) => natsUsers().includes(`"${name}"`)));
});
