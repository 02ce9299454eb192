/**
 * What keeps the bytes of artefacts. Three cases: a folder, S3-compatible storage, NATS's object store. A key is written once with one
 * content, so that writing it again, by anyone, changes nothing.
 */
export interface BlobStore {
  /** Without credentials; for messages. */
  readonly url: string;
  /** Files are cut into blobs of this size; Infinity keeps each whole. */
  readonly partBytes: number;
  has(key: string): Promise<boolean>;
  /** Undefined where there is none. */
  read(key: string): Promise<Uint8Array | undefined>;
  write(key: string, bytes: Uint8Array): Promise<void>;
  /** Removing what is not there is no error. */
  remove(key: string): Promise<void>;
  /** `prefix` ends with a slash. */
  list(prefix: string): Promise<readonly StoredBlob[]>;
  /** Present where files of this machine become blobs, and blobs files, without bytes going through the process. */
  readonly files?: FileBlobs | undefined;
}

export interface StoredBlob {
  readonly key: string;
  readonly sizeBytes: number;
  /** Milliseconds since 1970, by the clock of the store. */
  readonly writtenMs: number;
}

export interface FileBlobs {
  /** With `isFinal` the blob may be the file itself (a hard link): nobody writes to it again. Else it is a copy. */
  adopt(key: string, path: string, isFinal: boolean): Promise<void>;
  /** Makes a file of a blob, as a hard link where both lie on one file system; false where there is no such blob. */
  place(key: string, path: string): Promise<boolean>;
}
