import { z } from 'zod';
import { isLoopbackAddress } from '../http/allowed-hosts.ts';
import type { RoleName } from './roles.ts';

/** What a person may do: services have certificates. */
const personRoles = ['viewer', 'operator', 'metrics'] as const;

/** Whether a caller with these roles is a person, or a program outside of the fleet. */
export function isPerson(roles: readonly RoleName[]): boolean {
  return personRoles.some((role) => roles.includes(role));
}

/** Keys that come in the clear could be anybody's. */
function isPrivate(url: string): boolean {
  return !URL.canParse(url) || new URL(url).protocol === 'https:' || isLoopbackAddress(`${new URL(url).hostname}:0`);
}

export const oidcField = z
  .strictObject({
    issuer: z
      .url({ protocol: /^https?$/, error: 'must be a URL, for example https://login.example/realms/lab' })
      .refine(isPrivate, 'must be https:, or on this machine')
      .optional()
      .describe(
        'Identity provider (OpenID Connect) whose tokens HTTP servers take as well, as it names itself in `iss`.',
      ),
    audience: z
      .string()
      .min(1)
      .default('gradus')
      .describe('Whom its tokens have to be for (`aud`); a token for another program is refused.'),
    jwks: z
      .string()
      .min(1)
      .refine((place) => !/^https?:/.test(place) || isPrivate(place), 'must be a file, https:, or on this machine')
      .optional()
      .describe(
        'File or URL of its keys (JWKS). Absent: it says where they are, at /.well-known/openid-configuration.',
      ),
    claim: z
      .string()
      .min(1)
      .default('groups')
      .describe(
        'Claim of a token that says what its bearer may do: a list, or words with spaces between; a.b lies in an object.',
      ),
    roles: z
      .record(z.string().min(1), z.enum(personRoles))
      .default({})
      .describe('Roles by value of that claim, as JSON: {"lab-readers": "viewer", "lab-admins": "operator"}.'),
  })
  .superRefine(({ issuer, jwks, roles }, context) => {
    const isSet = jwks !== undefined || Object.keys(roles).length > 0;
    if (issuer === undefined && isSet)
      context.addIssue({
        code: 'custom',
        path: ['issuer'],
        message: 'is missing, and oidc.jwks or oidc.roles is given',
      });
    if (issuer !== undefined && Object.keys(roles).length === 0)
      context.addIssue({
        code: 'custom',
        path: ['roles'],
        message: 'is empty: no token of the issuer could do anything',
      });
  })
  .prefault({});

type OidcFields = z.infer<typeof oidcField>;

/** Of an issuer that is named. */
export type OidcSettings = OidcFields & { readonly issuer: string };

export function oidcSettingsOf(fields: OidcFields): OidcSettings | undefined {
  const { issuer } = fields;
  return issuer === undefined ? undefined : { ...fields, issuer };
}
