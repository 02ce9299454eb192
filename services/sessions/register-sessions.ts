import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RegisterSessionsRequest, RegisterSessionsResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { SessionGateway } from './start-session-gateway.ts';

/** The RPC of whatever stands in the gateway's place; `gateway` is undefined where it serves no sessions. */
export function registerSessions(
  gateway: SessionGateway | undefined,
  { workerToken, address, opens }: RegisterSessionsRequest,
): MessageInitShape<typeof RegisterSessionsResponseSchema> {
  if (gateway === undefined) {
    const message =
      'RegisterSessions: this gateway serves no sessions of agents; start it with --sessions-http HOST:PORT';
    throw new TerminalError('failed_precondition', message);
  }
  return { livesMs: gateway.register({ workerToken, address, opens }) };
}
