/**
 * TensorBoard's event files: records of TFRecord (https://www.tensorflow.org/tutorials/load_data/tfrecord) that hold messages `Event`
 * (tensorflow/core/util/event.proto: wall_time 1, step 2, file_version 3, summary 5; Summary: value 1; Value: tag 1, simple_value 2).
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { MetricsPoint } from './metrics-points.ts';

export function tensorboardEvents(points: readonly MetricsPoint[]): Uint8Array {
  const first = event(points[0]?.atSeconds ?? 0, (writer) =>
    writer.tag(3, WireType.LengthDelimited).string('brain.Event:2'),
  );
  const rest = points.map(({ step, atSeconds, metrics }) =>
    event(atSeconds, (writer) => {
      writer.tag(2, WireType.Varint).int64(step);
      writer.tag(5, WireType.LengthDelimited).fork();
      for (const [tag, value] of Object.entries(metrics)) {
        writer.tag(1, WireType.LengthDelimited).fork();
        writer.tag(1, WireType.LengthDelimited).string(tag);
        writer.tag(2, WireType.Bit32).float(value);
        writer.join();
      }
      writer.join();
    }),
  );
  return Buffer.concat([first, ...rest].map(record));
}

function event(atSeconds: number, write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Bit64).double(atSeconds);
  write(writer);
  return writer.finish();
}

/** Length, its checksum, the data, its checksum. */
function record(data: Uint8Array): Uint8Array {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(data.length), 0);
  head.writeUInt32LE(maskedCrc32c(head.subarray(0, 8)), 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(maskedCrc32c(data), 0);
  return Buffer.concat([head, data, tail]);
}

/** Castagnoli's polynomial, reflected. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (table[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** TFRecord rotates and shifts checksums, so that one of data that holds checksums is sound. */
function maskedCrc32c(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
