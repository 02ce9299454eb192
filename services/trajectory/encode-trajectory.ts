import { promisify } from 'node:util';
import { gunzip, gzip, gzipSync } from 'node:zlib';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { TrajectorySchema, type Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#platform/errors.ts';

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** Most bytes that a trajectory may have once unpacked: about four million tokens. Guards against a compressed bomb. */
export const MAX_TRAJECTORY_BYTES = 64 * 1024 * 1024;

/** A short one is compressed in a fraction of a millisecond: less than handing it to another thread costs. */
const shortBytes = 64 * 1024;
/**
 * Half of the memory that zlib takes by default. Less of it (`memLevel` 4) ends a block every thousand symbols, and each block has Huffman
 * tables of its own: twice the time for 6 KB, and more bytes.
 */
const short = { level: 1, windowBits: 14, memLevel: 7 };

/** The payload of the TRAJECTORIES stream: gzip over the protobuf message. Level 1: log-probabilities hardly compress anyway. */
export async function encodeTrajectory(trajectory: Trajectory): Promise<Uint8Array> {
  const plain = toBinary(TrajectorySchema, trajectory);
  return plain.length <= shortBytes ? gzipSync(plain, short) : await compress(plain, { level: 1 });
}

/** The inverse. Throws TerminalError('data_loss') for what is not a trajectory; does not check its invariants (checkTrajectory). */
export async function decodeTrajectory(data: Uint8Array): Promise<Trajectory> {
  try {
    return fromBinary(TrajectorySchema, await decompress(data, { maxOutputLength: MAX_TRAJECTORY_BYTES }));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TerminalError('data_loss', `trajectory payload of ${data.length} bytes does not decode: ${why}`, {
      cause,
    });
  }
}
