import { createHash, type Hash } from 'node:crypto';

/** Token ids as they are hashed: unsigned 32-bit, little-endian, whatever this machine's byte order is. */
export function tokenBytes(tokenIds: ArrayLike<number>): Uint8Array {
  const bytes = Buffer.allocUnsafe(tokenIds.length * 4);
  for (let i = 0; i < tokenIds.length; i += 1) bytes.writeUInt32LE(tokenIds[i] ?? 0, i * 4);
  return bytes;
}

/** SHA-256 over the ids as little-endian uint32: 32 bytes, the same in every service and language. */
export function sequenceDigest(tokenIds: ArrayLike<number>): Uint8Array {
  return createHash('sha256').update(tokenBytes(tokenIds)).digest();
}

export interface SequenceHasher {
  append(tokenIds: ArrayLike<number>): void;
  /** Digest of everything appended so far; more may be appended afterwards. */
  digest(): Uint8Array;
}

/** The digest of a growing sequence: each turn costs its new tokens only. */
export function createSequenceHasher(): SequenceHasher {
  const hash: Hash = createHash('sha256');
  let digest: Uint8Array | undefined;
  return {
    append(tokenIds) {
      hash.update(tokenBytes(tokenIds));
      digest = undefined;
    },
    digest: () => (digest ??= hash.copy().digest()),
  };
}

export function digestsEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
