import { connect, type Connection } from '@lancedb/lancedb';
import { TerminalError } from '#platform/errors.ts';
import { lancedbError } from './lancedb-errors.ts';

export interface DatabasePlace {
  /** A local directory, or `s3://`, `gs://`, `az://` with bucket and path. */
  readonly uri: string;
  /**
   * Options of the object store (`region`, `endpoint`, `allow_http` …). Credentials are better left to the environment
   * (`AWS_ACCESS_KEY_ID` …, or a role of the machine), where the store's own chain finds them.
   */
  readonly storageOptions?: Readonly<Record<string, string>> | undefined;
}

/** No other scheme: `db://` would be LanceDB's hosted service. */
const scheme = /^([a-z][a-z0-9+]*):\/\//i;
const schemes: ReadonlySet<string> = new Set(['s3', 'gs', 'az', 'file', 'memory']);

export async function connectDatabase({ uri, storageOptions }: DatabasePlace): Promise<Connection> {
  const [, found] = scheme.exec(uri) ?? [];
  if (uri === '' || (found !== undefined && !schemes.has(found.toLowerCase()))) {
    throw new TerminalError(
      'invalid_argument',
      `uri: ${JSON.stringify(uri)}: give a directory, or s3://, gs:// or az:// with bucket and path`,
    );
  }
  try {
    return await connect(uri, storageOptions === undefined ? {} : { storageOptions: { ...storageOptions } });
  } catch (thrown) {
    throw lancedbError(thrown, uri);
  }
}
