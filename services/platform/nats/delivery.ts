/** What a JetStream delivery says about itself in its reply subject. */
import { TerminalError } from '../errors.ts';

export interface Delivery {
  readonly streamSequence: number;
  /** Counts the deliveries of one consumer, from 1. */
  readonly consumerSequence: number;
  /** How often this message was delivered, this time included. */
  readonly deliveries: number;
  /** When the message was stored: nanoseconds since 1970, too many digits for a number. */
  readonly storedAt: string;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>`, and since 2.10, where the
 * account has a domain, with `<domain>.<account>` after `ACK` (ADR-15 of nats-architecture-and-design).
 */
export function parseDelivery(reply: string): Delivery {
  const tokens = reply.split('.');
  const at = tokens.length === 9 ? 4 : 6;
  const [deliveries, streamSequence, consumerSequence] = tokens.slice(at, at + 3).map(Number);
  const storedAt = tokens[at + 3] ?? '';
  if (
    tokens[0] !== '$JS' ||
    tokens[1] !== 'ACK' ||
    tokens.length < 9 ||
    deliveries === undefined ||
    streamSequence === undefined ||
    consumerSequence === undefined ||
    !Number.isSafeInteger(deliveries + streamSequence + consumerSequence)
  ) {
    throw new TerminalError('data_loss', `'${reply}' is not a reply subject of a JetStream delivery`);
  }
  return { deliveries, streamSequence, consumerSequence, storedAt };
}
