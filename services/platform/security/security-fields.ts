/** The settings of connections, the same in every service of both languages and for the command line. */
import { z } from 'zod';
import type { oidcField } from './oidc-fields.ts';

const file = z.string().min(1);

export const tlsField = z
  .strictObject({
    ca: file
      .optional()
      .describe(
        'PEM file with the certificates of the authority that all peers are of; `gradus credentials init` makes one.',
      ),
    cert: file
      .optional()
      .describe('PEM file with the certificate of this service; its DNS name <role>.gradus.internal says what it is.'),
    key: file.optional().describe('PEM file with the private key of that certificate.').meta({ secret: false }),
    tokens: file
      .optional()
      .describe(
        'File with the hashes of bearer tokens that HTTP servers take in place of a certificate (`gradus credentials token`).',
      ),
  })
  .superRefine(({ ca, cert, key, tokens }, context) => {
    const given = Object.entries({ ca, cert, key }).filter(([, value]) => value !== undefined);
    if (given.length === 3 || (given.length === 0 && tokens === undefined)) return;
    const missing = ['ca', 'cert', 'key'].filter((name) => !given.some(([has]) => has === name));
    for (const name of missing)
      context.addIssue({
        code: 'custom',
        path: [name],
        message: 'is missing: tls.ca, tls.cert and tls.key go together',
      });
  })
  .prefault({});

export type TlsSettings = z.infer<typeof tlsField>;

export const natsCredentialsField = z
  .strictObject({
    credentials: file
      .optional()
      .describe(
        'File with a user of NATS: one of JWT and seed (`.creds`), or two lines with name and password. Absent: the certificate says who it is.',
      )
      .meta({ secret: false }),
  })
  .prefault({});

export const auditFileField = file
  .optional()
  .describe(
    'File that operations are appended to, a JSON object a line: runs that are submitted and stopped, engines that join and leave, indexes that are reloaded. Several services may share it. Absent: they are in the log alone.',
  );

export const requestRateField = z
  .number()
  .min(0)
  .max(1_000_000)
  .default(500)
  .describe(
    'Most requests a second of one caller that is no service of the fleet (roles viewer, operator and metrics, by certificate or token), twice as many at once; more are answered with 429 or RESOURCE_EXHAUSTED. 0: no limit. Without certificates callers are not known, and there is none.',
  );

/** What a service, or the command line, is given of all this. */
export interface SecuritySettings {
  readonly tls: TlsSettings;
  readonly nats: z.infer<typeof natsCredentialsField>;
  readonly auditFile?: string | undefined;
  readonly oidc?: z.infer<typeof oidcField>;
  readonly requestRate?: number;
}
