/**
 * Tries one scorer on one recorded rollout, without a service.
 *
 *   stdin: {"settings": …, "given": {…}, "item": a gradus.reward.v1.ScoreItem in base64, "python": "…"}
 *   stdout: one line, a `Trial`, {"badSettings": "…"}, or {"error": {"code", "message"}}
 */
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { ScoreItemSchema } from '#proto/reward/v1/reward_pb.ts';
import { errorFrom } from '#platform/errors.ts';
import { decodeMessage } from '#platform/nats/messages.ts';
import { processScorerSettings } from '#rewards/custom-scorer-settings.ts';
import { tryScorer } from './try-scorer.ts';

const inputSchema = z.strictObject({
  settings: processScorerSettings,
  given: z.record(z.string(), z.unknown()),
  item: z.base64(),
  python: z.string().min(1),
});

try {
  const { item, ...input } = inputSchema.parse(JSON.parse(await text(process.stdin)));
  const request = { ...input, item: decodeMessage(ScoreItemSchema, Buffer.from(item, 'base64')) };
  const answer = await tryScorer(request, new AbortController().signal, process.env);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
} catch (thrown) {
  const { code, message } = errorFrom(thrown);
  process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  process.exitCode = 1;
}
