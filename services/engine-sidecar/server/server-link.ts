import { type GradusError, TerminalError, TransientError } from '#platform/errors.ts';
import type { EngineServer, ServerDescription, ServerLoad } from '#engines/kit/engine-server.ts';
import type { SidecarEvents } from '../events.ts';

export interface ServerLink {
  /** As it said when it was attached last. */
  readonly description: ServerDescription;
  /** As it said last; undefined while it is down. */
  readonly load: ServerLoad | undefined;
  readonly isUp: boolean;
  maxContext(bound: number): number;
  /** Throws why it cannot be used: TransientError while it is down, TerminalError while it is condemned. */
  required(): EngineServer;
  attach(server: EngineServer, description: ServerDescription): void;
  /** It does not answer, or has ended. */
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
 *     up -(detach)-> down -(attach)-> up -(condemn)-> condemned -(attach, detach)-> up | down
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

  return {
    get description() {
      return description;
    },
    get load() {
      return load;
    },
    get isUp() {
      return state.kind === 'up';
    },
    get trouble() {
      return trouble.promise;
    },
    maxContext: (bound) => Math.min(bound, description.maxContextTokens),
    required() {
      switch (state.kind) {
        case 'up':
          return state.server;
        case 'down':
          throw new TransientError('unavailable', `${description.program} is down: ${state.reason}`, {
            retryAfterMs: 500,
          });
        case 'condemned':
          throw new TerminalError('failed_precondition', `${description.program} is not used: ${state.reason}`);
      }
    },
    attach(next, described) {
      state = { kind: 'up', server: next };
      description = described;
      events.serverUp(described);
    },
    detach(reason) {
      if (state.kind === 'up') events.serverDown(description.program, reason);
      state = { kind: 'down', reason };
      load = undefined;
    },
    condemn(reason) {
      if (state.kind === 'up') events.serverDown(description.program, reason);
      state = { kind: 'condemned', reason };
    },
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
