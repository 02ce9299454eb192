import { showValue } from '#platform/text/show-value.ts';
import { limits } from '../../limits.ts';
import type { Finder } from '../find.ts';
import { fieldsOf, invalid, textOf } from '../request-fields.ts';
import { rowOf } from '../rows.ts';
import { visitDocument } from '../visit-document.ts';

/** `POST /visit` of Menlo: the document itself. Longer ones than a part come in parts; Menlo's clients read the first. */
export async function visit(finder: Finder, body: unknown, signal: AbortSignal): Promise<object> {
  const started = performance.now();
  const fields = fieldsOf(body, ['url', 'part']);
  const part = fields['part'] ?? 0;
  if (typeof part !== 'number' || !Number.isInteger(part) || part < 0 || part > 0xffff_ffff) {
    throw invalid(`part: found ${showValue(part)}; give a whole number from 0`);
  }
  const document = await visitDocument(finder, textOf(fields, 'url'), {
    name: 'url',
    part,
    partCharacters: limits.partCharacters.most,
    signal,
  });
  const row = { ...rowOf(document), part, parts: document.parts, characters: document.characters };
  return { result: [[row]], processing_time: (performance.now() - started) / 1_000 };
}
