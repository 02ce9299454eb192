import { SearchMode as ProtoMode } from '#proto/retrieval/v1/retrieval_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { SearchMode } from '../retriever.ts';

const protoModes = {
  lexical: ProtoMode.LEXICAL,
  dense: ProtoMode.DENSE,
  hybrid: ProtoMode.HYBRID,
} as const satisfies Record<SearchMode, ProtoMode>;

export function modeToProto(mode: SearchMode): ProtoMode {
  return protoModes[mode];
}

/** Undefined where the request leaves it to the service. */
export function modeFromProto(mode: ProtoMode): SearchMode | undefined {
  switch (mode) {
    case ProtoMode.UNSPECIFIED:
      return undefined;
    case ProtoMode.LEXICAL:
      return 'lexical';
    case ProtoMode.DENSE:
      return 'dense';
    case ProtoMode.HYBRID:
      return 'hybrid';
    default:
      throw new TerminalError('invalid_argument', `mode: ${String(mode)} is not known; give 0 to 3`);
  }
}
