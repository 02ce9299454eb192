/** Files that services of several machines hand to each other, by location. */
import { readdir, rm } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { ArtefactService } from '#proto/artefacts/v1/artefacts_service_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { Security } from '#platform/security/security.ts';
import type { ArtefactKind } from './artefact.ts';
import { digestIn, locationOf, placeIn } from './location.ts';

export type ArtefactClient = GrpcClient<typeof ArtefactService>;

/** Weights of many gigabytes pass through one call. */
const transferTimeoutMs = 1_800_000;

/** Of a service that fetches files; those of `artefactDirectory` are its own. */
export const artefactFields = {
  artefacts: z
    .string()
    .regex(/^[^\s:]+:\d{1,5}$/, 'must be host:port')
    .optional()
    .describe(
      'The artefact service of this machine, host:port (gradus serve artefacts). Absent: paths are those of one machine, or of a file system that all share.',
    ),
  artefactDirectory: z
    .string()
    .refine(isAbsolute, 'must be an absolute path')
    .optional()
    .describe('Folder of this service alone for what it fetches; below the roots of the artefact service.'),
};

export interface ArtefactFields {
  readonly artefacts?: string | undefined;
  readonly artefactDirectory?: string | undefined;
}

export function createArtefactClient(address: string, security: Security | undefined): ArtefactClient {
  return createGrpcClient(ArtefactService, address, { timeoutMs: transferTimeoutMs, security });
}

/** Locations, as a service reads them. */
export interface ArtefactReader {
  /** The absolute path of what a location names, whole. Throws TerminalError where there is no store to ask. */
  fetch(location: string, signal: AbortSignal): Promise<string>;
  /** Where `fetch` puts it. */
  placeOf(location: string): string;
  /** Removes what was fetched and is none of these. */
  keepOnly(locations: readonly string[]): Promise<void>;
}

/** Of a service with these settings; its connection ends with the service. */
export function openArtefactReader(
  { artefacts, artefactDirectory }: ArtefactFields,
  { security, defer }: Pick<ServiceContext, 'security' | 'defer'>,
): ArtefactReader {
  if ((artefacts === undefined) !== (artefactDirectory === undefined))
    throw new TerminalError(
      'invalid_argument',
      'artefacts and artefactDirectory go together; one of them is missing: give --artefacts and --artefact-directory, or neither',
    );
  const client = artefacts === undefined ? undefined : createArtefactClient(artefacts, security);
  defer('artefact client', async () => client?.close());
  return createArtefactReader(client, artefactDirectory);
}

export function createArtefactReader(
  client: ArtefactClient | undefined,
  directory: string | undefined,
): ArtefactReader {
  const cache = directory ?? '';
  return {
    placeOf: (location) => placeIn(cache, location),
    async fetch(location, signal) {
      const digest = digestIn(location);
      if (digest === undefined) return location;
      if (client === undefined || directory === undefined)
        throw new TerminalError(
          'failed_precondition',
          `${location} lies in a store, and this service was started without one; give it --artefacts and --artefact-directory`,
        );
      const place = join(directory, digest);
      await client.fetch({ digest, directory: place }, { signal });
      return place;
    },
    async keepOnly(locations) {
      if (directory === undefined) return;
      const kept = new Set(locations.map((each) => placeIn(directory, each)));
      for (const name of await readdir(directory).catch(() => [])) {
        const place = join(directory, name);
        if (/^[0-9a-f]{64}$/.test(name) && !kept.has(place)) await rm(place, { recursive: true, force: true });
      }
    },
  };
}

export interface PublishOptions {
  readonly kind: ArtefactKind;
  readonly runId: string;
  /** Nobody writes to these files again. */
  readonly isFinal: boolean;
  readonly signal: AbortSignal;
}

/** A location of the files at `path` that other machines can read; the path itself where there is no store. */
export async function publish(
  client: ArtefactClient | undefined,
  path: string,
  { kind, runId, isFinal, signal }: PublishOptions,
): Promise<string> {
  if (client === undefined || digestIn(path) !== undefined) return path;
  const { digest } = await client.put({ path, kind, runId, isFinal }, { signal });
  return locationOf(digest);
}
