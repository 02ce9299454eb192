/** What each role may do on NATS: the least that its service needs. Everyone else is no user at all. docs/protocol.md has the subjects. */
import { nameOfRole, type RoleName } from '../security/roles.ts';
import { streams } from './streams.ts';
import { redeliveryBucket, workersBucket } from './bucket-settings.ts';

export interface NatsPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Where answers to a role go: nobody reads those of another one. */
export function inboxOf(role: RoleName): string {
  return `_INBOX.${role}`;
}

/** The bucket of a store in NATS that certificates are for; another name needs users of your own. */
export const artefactBucket = 'artefacts';
const artefactStream = `OBJ_${artefactBucket}`;

const kv = (bucket: string): string => `KV_${bucket}`;

/** What may be looked at by who changes no stream. */
const looks = [
  '$JS.API.INFO',
  '$JS.API.STREAM.INFO.*',
  '$JS.API.STREAM.NAMES',
  '$JS.API.CONSUMER.INFO.*.*',
  `$JS.API.CONSUMER.NAMES.${streams.tasks}`,
];

/** Single messages of a stream: from any server that has it, or from the one that leads it. */
const readsOf = (stream: string): readonly string[] => [
  `$JS.API.DIRECT.GET.${stream}`,
  `$JS.API.DIRECT.GET.${stream}.>`,
  `$JS.API.STREAM.MSG.GET.${stream}`,
];

const permissions: Readonly<Record<string, NatsPermissions>> = {
  /** Makes the streams, writes the ledger, hands out and takes back tasks. */
  coordinator: {
    publish: [
      'gradus.tasks.>',
      'gradus.ledger.>',
      'gradus.dead.>',
      'gradus.cancel.*',
      'gradus.succession.*',
      '$JS.API.>',
      '$JS.ACK.>',
      '$KV.>',
      `${inboxOf('coordinator')}.>`,
    ],
    subscribe: [`${inboxOf('coordinator')}.>`, 'gradus.succession.*'],
  },
  /** Takes tasks, and writes what came of them; reads what an earlier delivery of a task left. No ledger, no stream, no lease. */
  rollout: {
    publish: [
      'gradus.trajectories.*',
      'gradus.results.*',
      'gradus.dead.*',
      ...looks,
      `$JS.API.CONSUMER.MSG.NEXT.${streams.tasks}.*`,
      `$JS.ACK.${streams.tasks}.>`,
      `$KV.${workersBucket}.>`,
      `$KV.${redeliveryBucket}.>`,
      ...[streams.trajectories, kv(workersBucket), kv(redeliveryBucket)].flatMap(readsOf),
    ],
    subscribe: [`${inboxOf('rollout')}.>`, 'gradus.cancel.*'],
  },
  /** A person: reads, and repairs by hand. */
  operator: { publish: ['>'], subscribe: ['>'] },
  /** Keeps files in one bucket, and sees nothing else. */
  artefacts: {
    publish: [
      '$JS.API.INFO',
      ...['STREAM.CREATE', 'STREAM.UPDATE', 'STREAM.INFO', 'STREAM.PURGE', 'STREAM.MSG.GET', 'DIRECT.GET'].map(
        (call) => `$JS.API.${call}.${artefactStream}`,
      ),
      ...['CONSUMER.CREATE', 'CONSUMER.INFO', 'CONSUMER.DELETE', 'DIRECT.GET'].map(
        (call) => `$JS.API.${call}.${artefactStream}.>`,
      ),
      `$JS.FC.${artefactStream}.>`,
      `$O.${artefactBucket}.>`,
    ],
    subscribe: [`${inboxOf('artefacts')}.>`],
  },
};

/** Whether a role makes streams; one that does not waits until they are there. */
export function makesStreams(roles: readonly RoleName[]): boolean {
  return roles.some((role) => permissions[role]?.publish.some((subject) => ['>', '$JS.API.>'].includes(subject)));
}

/**
 * The users of a fleet, for the configuration of a nats-server with `verify_and_map`: a user is the DNS name of a certificate. They are of the
 * server's own account, so that streams of before are still there once a server takes certificates only.
 */
export function natsUsers(): string {
  const list = (subjects: readonly string[]): string => subjects.map((each) => JSON.stringify(each)).join(', ');
  const users = Object.entries(permissions).map(
    ([role, { publish, subscribe }]) =>
      `    { user: ${JSON.stringify(nameOfRole(role))}, permissions: {\n` +
      `        publish: [${list(publish)}],\n        subscribe: [${list(subscribe)}] } }`,
  );
  return `authorization {\n  users: [\n${users.join('\n')}\n  ]\n}\n`;
}

/** The TLS block of a server: a client without a certificate is refused in the handshake. */
export function natsTls({
  ca,
  cert,
  key,
}: {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}): string {
  const text = (path: string): string => JSON.stringify(path);
  return `tls {\n  ca_file: ${text(ca)}\n  cert_file: ${text(cert)}\n  key_file: ${text(key)}\n  verify_and_map: true\n  timeout: 10\n}\n`;
}
