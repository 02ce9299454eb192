import { dpo } from './dpo/index.ts';
import { evaluation } from './eval/index.ts';
import { exported } from './export/index.ts';
import { merge } from './merge/index.ts';
import { own } from './own/index.ts';
import { rl } from './rl/index.ts';
import { sft } from './sft/index.ts';

/** The kinds of stages. A new one is a folder and a line here. */
export const stageKinds = [rl, sft, dpo, merge, evaluation, exported, own] as const;
