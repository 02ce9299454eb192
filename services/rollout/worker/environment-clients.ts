import type { EnvironmentClients, ServedSessions } from '#environments/kit/clients.ts';
import type { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { turnFormKindsOf } from '../episode/turn-form.ts';
import { environmentTokens, type Tokenize } from './environment-tokens.ts';
import { createGrpcClient, type GrpcClient } from '#platform/grpc/client.ts';
import type { Security } from '#platform/security/security.ts';

export interface EnvironmentAddresses {
  readonly retrieval: string | undefined;
  readonly timeoutMs: number;
  readonly userCode: EnvironmentClients['userCode'];
  readonly sessions?: ServedSessions;
  readonly tokenize: Tokenize;
  readonly security?: Security | undefined;
  readonly describe: GrpcClient<typeof PolicyService>['describe'];
}

/** Connections for environments; none is opened before an environment asks for it. */
export function createEnvironmentClients({
  retrieval,
  timeoutMs,
  userCode,
  sessions,
  tokenize,
  security,
  describe,
}: EnvironmentAddresses): EnvironmentClients & { close(): void } {
  let client: GrpcClient<typeof RetrievalService> | undefined;
  return {
    retrieval() {
      if (retrieval === undefined || retrieval === '')
        throw new TerminalError(
          'failed_precondition',
          'the environment needs the retrieval service, whose address is not set; start with --retrieval HOST:PORT',
        );
      client ??= createGrpcClient(RetrievalService, retrieval, { timeoutMs, security });
      return client;
    },
    userCode,
    ...(sessions !== undefined && { sessions }),
    tokens: environmentTokens(tokenize),
    forms: async (signal) => turnFormKindsOf((await describe({}, { signal })).forms),
    close: () => client?.close(),
  };
}
