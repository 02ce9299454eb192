import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildTimeoutMs,
  tinyEncoders,
  type TinyEncoders,
} from '../../../tests/fixtures/tiny-encoders/tiny-encoders.ts';
import { openCrossEncoder, type CrossEncoder } from './cross-encoder.ts';
import { hubSettingsFrom } from './hub-settings.ts';

const hub = hubSettingsFrom({ HF_HUB_OFFLINE: '1', HF_HUB_CACHE: join(tmpdir(), 'gradus-no-such-cache') });

let tiny: TinyEncoders;
let model: CrossEncoder;
beforeAll(async () => {
  tiny = await tinyEncoders();
  model = await openCrossEncoder(tiny.crossEncoder, { hub, threads: 1, maxTokens: 64, maxBatchTokens: 256 });
}, 2 * buildTimeoutMs);
afterAll(async () => await model.dispose());

describe('cross-encoder', () => {
  it('gives the logits that transformers computes, pair by pair cut to the limit', async () => {
    const { queries, texts, scores } = tiny.expected;
    for (const [at, query] of queries.entries()) {
      const given = await model.score(query, texts);
      const differences = (scores[at] ?? []).map((score, text) => Math.abs(score - (given[text] ?? NaN)));
      expect(Math.max(...differences)).toBeLessThan(1e-4);
    }
  });

  it('scores a text alone as in company, and nothing when there is none', async () => {
    const { queries, texts, scores } = tiny.expected;
    const [alone] = await model.score(queries[0] ?? '', texts.slice(4, 5));
    expect(Math.abs((alone ?? NaN) - (scores[0]?.[4] ?? NaN))).toBeLessThan(1e-4);
    expect(await model.score('who?', [])).toHaveLength(0);
  });

  it('refuses a model that gives more than one number a pair', async () => {
    await expect(openCrossEncoder(tiny.encoder, { hub, threads: 1 })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/last_hidden_state has \d+ numbers a pair; want one/) as string,
    });
  });
});
