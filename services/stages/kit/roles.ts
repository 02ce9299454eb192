import { z } from 'zod';

const roleSchema = z.strictObject({
  train: z
    .boolean()
    .default(true)
    .describe('Update the policy on what the role writes. False: its tokens carry no loss.'),
  rewards: z
    .record(z.string().min(1).max(64), z.number().min(0).max(100))
    .optional()
    .describe(
      "Weights of the role's own reward, of components that the stage records; else they are the stage's. The stage's `composition` holds for both.",
    ),
  version: z
    .literal(
      'current',
      'must be current: the engines of a run serve one version of the policy at a time, so no role can be played by another one',
    )
    .optional()
    .describe('Which version of the policy plays the role; there is only `current`.'),
});

/** Absent from a recipe that does not name it, so that its hash stays. */
export const rolesField = z
  .record(z.string().min(1).max(64), roleSchema)
  .optional()
  .describe(
    'Roles of the environment, by name, where they differ from the rest: one policy plays all of them, and each has advantages of its own in a group (docs/how-to/roles.md).',
  );

export type StageRoles = NonNullable<z.output<typeof rolesField>>;
