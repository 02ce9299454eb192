import type { Segment } from '#proto/trajectory/v1/trajectory_pb.ts';
import { createSequenceRecorder, type SequenceRecorder } from './sequence-recorder.ts';
import type { TokenizedText } from './token-source.ts';

/** A role in an episode: the sequence that it reads and writes. The role is empty where the environment has none. */
export interface Speaker {
  readonly role: string;
  readonly recorder: SequenceRecorder;
  /** Its conversation wants the model to think; false for a prompt of text. */
  readonly thinking: boolean;
  /** A token limit cut its last turn, or left no room for another. */
  truncated: boolean;
}

/** How far the sequences of an episode have come. */
export interface SequencesMark {
  readonly segments: number;
  /** Of each role that has begun. */
  readonly ofRole: ReadonlyMap<string, number>;
}

type Prompt = Omit<TokenizedText, 'turnEnd'>;

export type EpisodeSequences = ReturnType<typeof createEpisodeSequences>;

/** The sequences of one episode: one, or one for each role that has spoken. */
export function createEpisodeSequences(contextTokens: number) {
  const segments: Segment[] = [];
  const speakers = new Map<string, Speaker>();
  return {
    /** Of all sequences, in the order in which they came about. */
    segments: segments as readonly Segment[],
    /** In the order in which they began. */
    speakers: (): readonly Speaker[] => [...speakers.values()],
    /** Undefined while the role has not spoken. */
    find: (role: string): Speaker | undefined => speakers.get(role),
    mark: (): SequencesMark => ({
      segments: segments.length,
      ofRole: new Map([...speakers].map(([role, { recorder }]) => [role, recorder.segments()])),
    }),
    /** Takes back what was appended since, none of which is a turn. */
    restore(mark: SequencesMark): void {
      segments.length = mark.segments;
      for (const [role, { recorder }] of speakers) {
        const kept = mark.ofRole.get(role);
        if (kept === undefined) speakers.delete(role);
        else if (kept < recorder.segments()) recorder.dropAfter(kept);
      }
    },
    begin(role: string, thinking: boolean, { text, tokenIds, tokenizerHash }: Prompt): Speaker {
      const recorder = createSequenceRecorder(contextTokens, role, segments);
      const speaker: Speaker = { role, recorder, thinking, truncated: false };
      speakers.set(role, speaker);
      recorder.begin(text, tokenIds, tokenizerHash);
      return speaker;
    },
  };
}
