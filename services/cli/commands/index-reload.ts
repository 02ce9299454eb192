import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { resolve } from 'node:path';
import { openOperator } from '#fleet/credentials-directory.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { jsonLine } from '../terminal/json-line.ts';

export interface IndexReloadOptions {
  /** Directory of certificates, where the service has some. */
  readonly credentials?: string;
  readonly json: boolean;
}

/** Indexes of millions of passages take a while to read. */
const timeoutMs = 600_000;

/** Asks a running retrieval service to read its index anew; what it answers meanwhile comes from the old one. */
export async function indexReloadCommand(
  address: string,
  { json, credentials }: IndexReloadOptions,
  terminal: Terminal,
): Promise<number> {
  const security = await openOperator(credentials && resolve(credentials));
  const client = createGrpcClient(RetrievalService, address, { timeoutMs, security });
  try {
    await client.ready({ timeoutMs: 5_000 });
    const { oldIndexVersion, newIndexVersion } = await client.reload({});
    const swapped = oldIndexVersion !== newIndexVersion;
    if (json) terminal.out(jsonLine({ swapped, oldIndexVersion, newIndexVersion }));
    else
      terminal.out(
        swapped ? `serves ${newIndexVersion} now, before ${oldIndexVersion}` : `unchanged: ${newIndexVersion}`,
      );
    return exitCodes.ok;
  } finally {
    client.close();
  }
}
