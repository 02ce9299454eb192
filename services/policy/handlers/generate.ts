import { create } from '@bufbuild/protobuf';
import {
  EngineLoadSchema,
  type GenerateRequest,
  type GenerateResponse,
  OutputFormKind,
} from '#proto/policy/v1/policy_pb.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import type { PolicyContext } from '../service.ts';

const MAX_STOP_STRINGS = 16;
const MAX_PRIORITY = 9;
const MAX_FORM_BYTES = 100_000;

export async function generate(
  { fleet, events }: PolicyContext,
  request: GenerateRequest,
  signal: AbortSignal,
): Promise<GenerateResponse> {
  checkGenerateRequest(request);
  const startedAt = performance.now();
  try {
    const response = await fleet.generate(request, signal);
    events.generated(response, request.tokenIds.length, performance.now() - startedAt);
    // The caller is to pace itself by all engines and the queue here, not by the one that served it.
    return { ...response, load: create(EngineLoadSchema, fleet.describe().load) };
  } catch (thrown) {
    const error = errorFrom(thrown);
    events.generationFailed(request.requestId, error);
    throw error;
  } finally {
    events.loadChanged(fleet.load());
  }
}

/** The bounds of policy.proto and trajectory.proto; engines trust them. Throws TerminalError that names the field. */
function checkGenerateRequest({
  requestId,
  sessionId,
  tokenIds,
  contextTokens,
  sampling,
  priority,
  trained,
  form,
}: GenerateRequest): void {
  const fail = (field: string, problem: string): never => {
    throw new TerminalError('invalid_argument', `Generate: ${field} ${problem}`, { details: { field } });
  };
  if (requestId === '') fail('request_id', 'is empty; give each turn an id of its own');
  if (sessionId === '') fail('session_id', 'is empty; give the id of the rollout');
  if (tokenIds.length === 0) fail('token_ids', 'is empty; give the sequence so far');
  if (contextTokens <= tokenIds.length) {
    fail(
      'context_tokens',
      `is ${contextTokens}, but token_ids has ${tokenIds.length} already; it must leave room for a token`,
    );
  }
  if (priority > MAX_PRIORITY) fail('priority', `is ${priority}; it must be 0..${MAX_PRIORITY}`);
  if (form !== undefined && trained)
    fail('form', 'is set for a turn that is trained on; the learner computes the distribution of a free one');
  if (form?.kind === OutputFormKind.UNSPECIFIED) fail('form.kind', 'is unspecified');
  const definitionBytes = Buffer.byteLength(form?.definition ?? '');
  if (definitionBytes > MAX_FORM_BYTES)
    fail('form.definition', `has ${definitionBytes} bytes; at most ${MAX_FORM_BYTES}`);
  if (sampling === undefined) return fail('sampling', 'is missing');
  if (!(sampling.temperature >= 0 && sampling.temperature <= 10))
    fail('sampling.temperature', `is ${sampling.temperature}; it must be 0..10`);
  if (!(sampling.topP >= 0 && sampling.topP <= 1)) fail('sampling.top_p', `is ${sampling.topP}; it must be 0..1`);
  if (sampling.maxNewTokens === 0) fail('sampling.max_new_tokens', 'is 0; it must be at least 1');
  if (sampling.stop.length > MAX_STOP_STRINGS)
    fail('sampling.stop', `has ${sampling.stop.length} strings; at most ${MAX_STOP_STRINGS}`);
  if (sampling.stop.includes('')) fail('sampling.stop', 'holds an empty string');
}
