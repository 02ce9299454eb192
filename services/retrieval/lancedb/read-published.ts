import { existsSync } from 'node:fs';
import type { BuildManifest } from './build-manifest.ts';
import { latestBuild, noIndex } from './builds.ts';
import { connectDatabase, type DatabasePlace } from './connect-database.ts';

/** What is published there now. */
export async function readPublished(place: DatabasePlace): Promise<BuildManifest> {
  checkPlace(place.uri);
  const connection = await connectDatabase(place);
  try {
    return (await latestBuild(connection, place.uri)).manifest;
  } finally {
    connection.close();
  }
}

/** LanceDB would make a directory that is not there; a typing error should not. */
export function checkPlace(uri: string): void {
  if (uri.includes('://') || uri === '' || existsSync(uri)) return;
  throw noIndex(uri);
}
