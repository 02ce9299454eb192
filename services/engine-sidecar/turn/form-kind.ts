import { OutputFormKind } from '#proto/policy/v1/policy_pb.ts';
import { type FormKind, formKinds } from '#engines/kit/engine-server.ts';

const protoKinds: Readonly<Record<FormKind, OutputFormKind>> = {
  json_object: OutputFormKind.JSON_OBJECT,
  json_schema: OutputFormKind.JSON_SCHEMA,
  regex: OutputFormKind.REGEX,
  grammar: OutputFormKind.GRAMMAR,
};

export const formKindToProto = (kind: FormKind): OutputFormKind => protoKinds[kind];

/** Undefined for one that this version does not know. */
export const formKindOf = (kind: OutputFormKind): FormKind | undefined =>
  formKinds.find((one) => protoKinds[one] === kind);
