import { type GradusError, TransientError } from '#platform/errors.ts';
import type { EngineServer, ServerDescription, ServerLoad } from '#engines/kit/engine-server.ts';
import type { SidecarEvents } from '../events.ts';

export interface ServerLink {
  /** As it said when it was attached last. */
  readonly description: ServerDescription;
  /** As it said last; undefined while it is not up. */
  readonly load: ServerLoad | undefined;
  readonly state: State['kind'];
  maxContext(bound: number): number;
  /** Throws TransientError with why it cannot be used now: another engine may do it. */
  required(): EngineServer;
  /** It is a new process, or was not condemned. */
  attach(server: EngineServer, description: ServerDescription): void;
  /** It does not answer, or has ended. One that is condemned stays so: what was silent for a while need not have been started anew. */
  detach(reason: string): void;
  /** It answers, and nothing that it says is to be believed until it was started anew. */
  condemn(reason: string): void;
  report(load: ServerLoad): void;
  /** A turn came back: it lives, however slow its status is. */
  answered(): void;
  /** A call did not get through: it is looked at now. */
  failed(error: GradusError): void;
  /** Turns that came back since the last call. */
  takeAnswered(): number;
  /** Resolves when a call has failed. */
  readonly trouble: Promise<void>;
}

type State =
  | { readonly kind: 'up'; readonly server: EngineServer }
  | { readonly kind: 'down'; readonly reason: string }
  | { readonly kind: 'condemned'; readonly reason: string };

/**
 * The server as turns reach it:
 *
 *     up -(detach)-> down -(attach)-> up
 *     up, down -(condemn)-> condemned -(attach: it was started anew)-> up
 */
export function createServerLink(
  server: EngineServer,
  first: ServerDescription,
  events: Pick<SidecarEvents, 'serverUp' | 'serverDown'>,
): ServerLink {
  let state: State = { kind: 'up', server };
  let description = first;
  let load: ServerLoad | undefined;
  let answered = 0;
  let trouble = Promise.withResolvers<void>();
  events.serverUp(first);

  function transition(next: State): void {
    if (state.kind === 'condemned' && next.kind === 'down') return;
    if (next.kind === 'up') events.serverUp(description);
    else if (state.kind === 'up') events.serverDown(description.program, next.reason);
    state = next;
    load = undefined;
  }

  return {
    get description() {
      return description;
    },
    get load() {
      return load;
    },
    get state() {
      return state.kind;
    },
    get trouble() {
      return trouble.promise;
    },
    maxContext: (bound) => Math.min(bound, description.maxContextTokens),
    required() {
      if (state.kind === 'up') return state.server;
      const is = state.kind === 'down' ? 'down' : 'not used';
      throw new TransientError('unavailable', `${description.program} is ${is}: ${state.reason}`, {
        retryAfterMs: 500,
      });
    },
    attach(next, described) {
      description = described;
      transition({ kind: 'up', server: next });
    },
    detach: (reason) => transition({ kind: 'down', reason }),
    condemn: (reason) => transition({ kind: 'condemned', reason }),
    report: (said) => void (load = said),
    answered: () => void (answered += 1),
    failed: () => trouble.resolve(),
    takeAnswered() {
      const count = answered;
      answered = 0;
      trouble = Promise.withResolvers();
      return count;
    },
  };
}
