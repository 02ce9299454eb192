import { getOption, type DescField, type DescMethod } from '@bufbuild/protobuf';
import { audited } from '#proto/access/v1/access_pb.ts';
import { type AuditLog, type AuditedValue, auditedValue } from '../security/audit-log.ts';
import type { PeerRegistry } from '../security/peer-registry.ts';
import type { CallContext } from './server-call.ts';

type Handle = (request: unknown, call: CallContext) => unknown;

/** Calls of methods that their contract names as audited are lines of the audit log, refused ones too; others are as they were. */
export function auditCalls(
  method: DescMethod,
  { audit, peers }: { readonly audit: AuditLog | undefined; readonly peers: () => PeerRegistry | undefined },
  handle: Handle,
): Handle {
  if (audit === undefined || !getOption(method, audited)) return handle;
  return async (request, call) => {
    const { peer } = call;
    const known = peers()?.find(peer);
    const by = known === undefined ? { peer } : { peer, roles: known.roles, certificate: known.serialNumber };
    return await audit.record({ operation: method.name, by, about: aboutOf(method, request) }, async () =>
      handle(request, call),
    );
  };
}

/** What was set of a request, by the names of its contract. */
function aboutOf(method: DescMethod, request: unknown): Record<string, AuditedValue> {
  if (typeof request !== 'object' || request === null) return {};
  return Object.fromEntries(
    method.input.fields.flatMap((field): [string, AuditedValue][] => {
      const value = valueOf(field, Reflect.get(request, field.localName));
      return value === undefined ? [] : [[field.name, value]];
    }),
  );
}

function valueOf(field: DescField, value: unknown): AuditedValue | undefined {
  // A list is given in one piece: of its length and content a digest says enough.
  if (field.fieldKind === 'list' && Array.isArray(value) && value.length > 0)
    return auditedValue(
      JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `${inner}` : inner)),
    );
  if (field.fieldKind !== 'scalar') return undefined;
  const isSet = value !== '' && value !== 0 && value !== 0n && value !== false;
  const isKnown =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
  return isSet && isKnown ? auditedValue(value) : undefined;
}
