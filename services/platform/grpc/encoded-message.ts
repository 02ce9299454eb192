import type { DescMessage } from '@bufbuild/protobuf';

/** A message that is in its wire format already: a handler may give one in place of what its schema describes. */
export class EncodedMessage<D extends DescMessage> {
  readonly schema: D;
  readonly bytes: Buffer;

  constructor(schema: D, bytes: Buffer) {
    this.schema = schema;
    this.bytes = bytes;
  }
}
