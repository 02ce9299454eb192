import { OutputFormKind } from '#proto/policy/v1/policy_pb.ts';
import { turnFormKinds, type TurnFormKind } from '#environments/kit/environment.ts';

const protoKinds: Readonly<Record<TurnFormKind, OutputFormKind>> = {
  json_object: OutputFormKind.JSON_OBJECT,
  json_schema: OutputFormKind.JSON_SCHEMA,
  regex: OutputFormKind.REGEX,
  grammar: OutputFormKind.GRAMMAR,
};

export const turnFormToProto = ({
  kind,
  definition,
}: {
  readonly kind: TurnFormKind;
  readonly definition: string;
}) => ({
  kind: protoKinds[kind],
  definition,
});

/** Those of them that environments know. */
export const turnFormKindsOf = (kinds: readonly OutputFormKind[]): readonly TurnFormKind[] =>
  turnFormKinds.filter((kind) => kinds.includes(protoKinds[kind]));
