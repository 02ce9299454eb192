/** Who a peer is, by its certificate, and who may call what, by the options of the contracts (proto/gradus/access/v1). */
import { getOption, type DescMethod, type DescService } from '@bufbuild/protobuf';
import type { X509Certificate } from 'node:crypto';
import { RoleSchema, callers, served_by, type Role } from '#proto/access/v1/access_pb.ts';

/** `policy` of `ROLE_POLICY`. */
export type RoleName = string;

const suffix = '.gradus.internal';

/** Every role but the unspecified one. */
export const roleNames: readonly RoleName[] = RoleSchema.values
  .filter(({ number }) => number !== 0)
  .map(({ name }) => name.replace(/^ROLE_/, '').toLowerCase());

function nameOf(role: Role): RoleName {
  return (RoleSchema.value[role]?.name ?? '').replace(/^ROLE_/, '').toLowerCase();
}

/** The DNS name of a role's certificate. */
export function nameOfRole(role: RoleName): string {
  return `${role}${suffix}`;
}

/** The roles that a certificate names. A name of another role than those of the contract is none. */
export function rolesOf(certificate: Pick<X509Certificate, 'subjectAltName'>): readonly RoleName[] {
  const names = (certificate.subjectAltName ?? '').split(', ').map((each) => each.replace(/^DNS:/, ''));
  return roleNames.filter((role) => names.includes(nameOfRole(role)));
}

/** Whose certificate a server of this service has; undefined for foreign contracts. */
export function serverOf(service: DescService): RoleName | undefined {
  const role = getOption(service, served_by);
  return role === 0 ? undefined : nameOf(role);
}

export function callersOf(method: DescMethod): readonly RoleName[] {
  return getOption(method, callers).map(nameOf);
}
