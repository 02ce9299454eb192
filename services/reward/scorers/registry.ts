import { scoreExactMatch } from './exact-match.ts';
import { scoreF1 } from './f1.ts';
import { scoreFormat } from './format.ts';
import type { Scorer } from './scorer.ts';
import { scoreToolSuccess } from './tool-success.ts';
import { scoreXml } from './xml.ts';

/** Every scorer by its name in recipes. A new one is a file beside these and a line here. */
export const scorers: ReadonlyMap<string, Scorer> = new Map<string, Scorer>([
  ['exact_match', scoreExactMatch],
  ['f1', scoreF1],
  ['tool_success', scoreToolSuccess],
  ['format', scoreFormat],
  ['xml', scoreXml],
]);
