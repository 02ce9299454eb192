/**
 * The connections of one client. The first carries everything for as long as cancelling all of its calls at once would stay within
 * its reset budget; then calls go to the next one, so that no burst of cancellations closes a connection under other calls.
 */
import { Client } from '@grpc/grpc-js';

import type { RoleName } from '../security/roles.ts';
import type { Security } from '../security/security.ts';
import { channelSecurity } from './channel-security.ts';
import { createResetBudget } from './reset-budget.ts';
import type { ResetBudget } from './reset-budget.ts';
import { maxMessageBytes } from './service-definition.ts';

export interface Channel {
  readonly client: Client;
  readonly resets: ResetBudget;
  /** Calls that have not ended, those whose reset waits included. */
  inFlight: number;
}

export interface Channels {
  /** For one call, which counts it: up here, down when it has ended. */
  take(): Channel;
  readonly first: Client;
  /** Connections that were opened, for people and tests. */
  readonly size: number;
  close(): void;
}

/** Room for 6,400 calls that may all be cancelled at once; resets of more are paced. */
const mostChannels = 8;

const channelOptions = {
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
  // Shorter than the library's defaults (20 s, 1 s .. 120 s): a service that comes back is used within a second.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // A peer that vanished with its machine closes nothing: it is noticed in 23 s, not at the deadline of a training step. Our servers
  // allow it; one with the library's defaults in Python would answer more than a ping in 5 minutes with GOAWAY.
  'grpc.keepalive_time_ms': 8_000,
  'grpc.keepalive_timeout_ms': 15_000,
  // Services talk to each other directly, whatever proxy the environment names for the world outside.
  'grpc.enable_http_proxy': 0,
  // Books that nobody reads, kept for each call.
  'grpc.enable_channelz': 0,
  // Each channel is a connection of its own.
  'grpc.use_local_subchannel_pool': 1,
};

/** `server`: the role that the server at `address` must have, where connections have certificates. */
export function createChannels(address: string, security?: Security, server?: RoleName): Channels {
  const secured = channelSecurity(security, server);
  const first = open();
  const channels = [first];

  function open(): Channel {
    const client = new Client(address, secured.credentials, { ...channelOptions, ...secured.options });
    return { client, resets: createResetBudget(), inFlight: 0 };
  }

  /** Calls that can still be added, and cancelled together with the others at once. */
  const room = ({ resets, inFlight }: Channel): number => resets.available - inFlight;

  function choose(): Channel {
    const roomy = channels.find((channel) => room(channel) > 0);
    if (roomy !== undefined) return roomy;
    if (channels.length < mostChannels) {
      const next = open();
      channels.push(next);
      return next;
    }
    return channels.reduce((best, channel) => (room(channel) > room(best) ? channel : best));
  }

  return {
    first: first.client,
    get size() {
      return channels.length;
    },
    take() {
      const channel = choose();
      channel.inFlight += 1;
      return channel;
    },
    close() {
      for (const { client, resets } of channels) {
        resets.close();
        client.close();
      }
    },
  };
}
