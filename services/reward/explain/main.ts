/**
 * Explains one score without a service: how the numbers of a recorded item come about.
 *
 *   stdin: a gradus.reward.v1.ScoreItem
 *   stdout: one line, a gradus.reward.v1.ExplainResponse in protobuf's JSON, or {"error": {"code", "message"}}
 */
import { buffer } from 'node:stream/consumers';
import { create, toJson } from '@bufbuild/protobuf';
import { ExplainRequestSchema, ExplainResponseSchema, ScoreItemSchema } from '#proto/reward/v1/reward_pb.ts';
import { errorFrom } from '#platform/errors.ts';
import { decodeMessage } from '#platform/nats/messages.ts';
import { explain } from '../handlers/explain.ts';

try {
  const item = decodeMessage(ScoreItemSchema, await buffer(process.stdin));
  const response = create(ExplainResponseSchema, explain(create(ExplainRequestSchema, { item })));
  process.stdout.write(`${JSON.stringify(toJson(ExplainResponseSchema, response))}\n`);
} catch (thrown) {
  const { code, message } = errorFrom(thrown);
  process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  process.exitCode = 1;
}
