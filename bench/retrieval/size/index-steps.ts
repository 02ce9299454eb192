import type { Rate } from '../rate.ts';

export interface BuildStep {
  readonly buildMs: number;
  readonly cpuSeconds: number;
  readonly peakResidentMiB: number;
  readonly passages: number;
  readonly terms: number;
  readonly postings: number;
  readonly corpusBytes: number;
  readonly indexBytes: number;
  readonly files: Readonly<Record<string, number>>;
}

interface Memory {
  readonly residentMiB: number;
  /** Without pages of files. */
  readonly anonymousMiB: number;
}

export interface SearchStep {
  readonly openMs: number;
  readonly firstQueryMs: number;
  /** All thousand of them. */
  readonly firstThousandMs: number;
  readonly memory: { readonly before: Memory; readonly opened: Memory; readonly searched: Memory };
  readonly rate: Rate;
}
