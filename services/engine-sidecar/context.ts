import type { ArtefactReader } from '#artefacts/artefact-files.ts';
import type { Tokenizer } from '#chat/tokenizer.ts';
import type { EpochFence } from '#weights/epoch-fence.ts';
import type { EngineSidecarConfig } from './config.ts';
import type { SidecarEvents } from './events.ts';
import type { ServerLink } from './server/server-link.ts';
import type { LiveTurns } from './turn/live-turns.ts';
import type { TurnLine } from './turn/turn-line.ts';
import type { VersionLoads } from './versions/version-loads.ts';

export interface SidecarContext {
  readonly config: EngineSidecarConfig;
  readonly tokenizer: Tokenizer;
  /** 0 where the model's config.json is not at hand. */
  readonly vocabularySize: number;
  readonly link: ServerLink;
  readonly loads: VersionLoads;
  readonly artefacts: ArtefactReader;
  readonly fence: EpochFence;
  readonly line: TurnLine;
  readonly live: LiveTurns;
  readonly events: SidecarEvents;
}
