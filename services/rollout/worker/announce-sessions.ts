import type { ServedSessions } from '#environments/kit/clients.ts';
import { TransientError, errorFrom, type GradusError } from '#platform/errors.ts';
import { sleep } from '#platform/async/sleep.ts';
import type { createPolicyGateways } from './policy-gateways.ts';

type PolicyGateways = ReturnType<typeof createPolicyGateways>;

export interface AnnouncedSessions extends ServedSessions {
  close(): void;
}

export interface SessionSettings {
  readonly sessionsListen: string;
  /** Under which gateways reach what is listened on; absent where that is the address itself. */
  readonly sessionsAddress?: string | undefined;
  readonly allowedHosts: readonly string[];
}

/** A gateway forgets what it does not hear again. */
const again = 1 / 3;
/** After a failure that passes. */
const pauseMs = 1_000;

/** Registers at the gateways where this worker plays sessions, again and again. */
export function createSessionAnnouncements(
  { sessionsListen: listen, sessionsAddress, allowedHosts }: SessionSettings,
  policy: Pick<PolicyGateways, 'each'>,
  onFailed: (error: GradusError) => void,
): AnnouncedSessions {
  const over = new AbortController();

  return {
    listen,
    // Gateways ask for it by the name that they are told.
    allowedHosts: [...allowedHosts, ...(sessionsAddress === undefined ? [] : [hostOf(sessionsAddress)])],
    async announce({ workerToken, address, opens }) {
      const played = { workerToken, address: sessionsAddress ?? address, opens };
      const end = new AbortController();
      const signal = AbortSignal.any([over.signal, end.signal]);
      /** Gives the pause until it is due again. */
      async function register(mayFail: (error: GradusError) => boolean): Promise<number> {
        try {
          const answers = await policy.each(
            async (gateway) => await gateway.registerSessions(played, { signal }).catch(errorFrom),
          );
          const lives = answers.flatMap((answer) => ('livesMs' in answer ? [answer.livesMs] : []));
          const failed = answers.flatMap((answer) => ('livesMs' in answer ? [] : [answer]));
          // One of several gateways may be that which serves sessions.
          const error = failed.find((each) => lives.length === 0 || each instanceof TransientError);
          if (error !== undefined) throw error;
          return Math.min(...lives) * again;
        } catch (thrown) {
          const error = errorFrom(thrown);
          if (signal.aborted || !mayFail(error)) throw error;
          onFailed(error);
          return pauseMs;
        }
      }
      async function repeat(firstMs: number): Promise<void> {
        for (let waitMs = firstMs; ; waitMs = await register(() => true)) await sleep(waitMs, signal);
      }
      repeat(await register((error) => error instanceof TransientError)).catch(() => {
        // It was ended.
      });
      return { [Symbol.dispose]: () => end.abort() };
    },
    close: () => over.abort(),
  };
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'));
}
