import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  DescribeResponse,
  EngineLoadSchema,
  GenerateRequest,
  GenerateResponse,
  OutputFormKind,
} from '#proto/policy/v1/policy_pb.ts';
import { CancelledError, type GradusError, TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { checkGenerated } from './check-generated.ts';
import { type EngineConnection, loadFromProto, totalLoad } from './engine-connection.ts';
import { type EngineMember, type EngineMemberOptions, createEngineMember } from './engine-member.ts';
import { type EngineEntry, type EnginePoolOptions, type PoolRequest, createEnginePool } from './engine-pool.ts';
import { type LoadTarget, loadOnAll } from './load-on-all.ts';
import { removeMember } from './remove-member.ts';
import { createWantedVersion } from './wanted-version.ts';

export interface EngineFleetOptions
  extends Omit<EngineMemberOptions, 'pool' | 'wanted' | 'onAnswer'>, EnginePoolOptions {
  readonly connect: (address: string) => EngineConnection;
  readonly maxEngines: number;
  readonly generateTimeoutMs: number;
  readonly signal: AbortSignal;
}

export interface FleetDescription {
  /** What the engines that are up say; what the last one said when none is. */
  readonly known: readonly DescribeResponse[];
  readonly entries: readonly EngineEntry[];
  /** What each engine said last, and what keeps it from being up; by address. */
  readonly members: ReadonlyMap<string, Pick<EngineMember, 'description' | 'problem'>>;
  readonly version: bigint;
  readonly weightsPath: string;
  readonly weightsDigest: string;
  readonly load: MessageInitShape<typeof EngineLoadSchema>;
}

export interface EngineFleet {
  /** On the session's engine, or on another one when that fails. */
  generate(request: GenerateRequest, signal: AbortSignal): Promise<GenerateResponse>;
  /** Loads on all engines. One that fails is not used until it has loaded too. Throws when all fail. */
  loadVersion(
    target: LoadTarget,
    signal: AbortSignal,
  ): Promise<{ readonly version: bigint; readonly carriedOver: number }>;
  /** Idempotent. Throws TerminalError when there are too many. */
  add(address: string): void;
  /** Idempotent. Gives the number of requests that had to move. */
  remove(address: string, drainMs: number, signal: AbortSignal): Promise<number>;
  /** For an address that its name has no longer: an engine that still answers may be one that a flaw of DNS hides. */
  removeIfDown(address: string): void;
  describe(): FleetDescription;
  load(): EngineFleetLoad;
  /** Takes the first engines in and asks each once. Throws WrongEngineError: with a wrong tokenizer or address in its settings no gateway starts. */
  start(addresses: readonly string[]): Promise<void>;
  close(): void;
}

export interface EngineFleetLoad {
  /** Requests that engines work on, and those that wait for one. */
  readonly running: number;
  readonly queued: number;
  /** Of the fullest engine, 0..1, as it said last. */
  readonly kvUsedRatio: number;
}

/** A request that failed on this many engines is not sent to another one: it may be what breaks them. */
const MAX_MOVES = 8;

/** The engines behind this gateway: who is in, who gets which request, and what they have to serve. */
export function createEngineFleet(options: EngineFleetOptions): EngineFleet {
  const { events, signal } = options;
  const pool = createEnginePool(options);
  const members = new Map<string, EngineMember>();
  const wanted = createWantedVersion(({ version }) => {
    events.versionWanted(version);
    for (const { address, state, version: served } of pool.entries())
      if (state === 'up' && served < version)
        members.get(address)?.suspend(new TransientError('unavailable', `it has yet to load version ${version}`));
  });
  let lastKnown: DescribeResponse | undefined;
  let loading: Promise<unknown> = Promise.resolve();
  signal.addEventListener(
    'abort',
    () => pool.close(new TransientError('unavailable', 'this gateway stops; ask another', { retryAfterMs: 100 })),
    { once: true },
  );

  const load = (): EngineFleetLoad => ({
    running: pool.entries().reduce((sum, { inFlight }) => sum + inFlight, 0),
    queued: pool.queued(),
    kvUsedRatio: totalLoad(pool.entries(), 0).kvUsedRatio ?? 0,
  });

  function join(address: string): EngineMember {
    const member = createEngineMember(options.connect(address), {
      ...options,
      pool,
      wanted,
      onAnswer(description) {
        lastKnown = description;
        events.loadChanged(load());
      },
    });
    members.set(address, member);
    pool.add(address);
    return member;
  }

  function leave(member: EngineMember, moved: number): void {
    members.delete(member.address);
    pool.remove(member.address);
    member.dispose(new TransientError('unavailable', `engine ${member.address} was removed`));
    events.engineLeft(member.address, moved);
  }

  /** Throws TerminalError where none that is up can: it does not come about by waiting. */
  function checkForm(form: OutputFormKind): void {
    const up = pool.entries().filter(({ state }) => state === 'up');
    if (up.length === 0 || up.some(({ gives }) => gives?.forms?.includes(form) === true)) return;
    throw new TerminalError(
      'unimplemented',
      `form: no engine that is up can hold a turn to this form; each says in Describe what it can, and the built-in engine samples freely`,
      { details: { field: 'form' } },
    );
  }

  async function generate(request: GenerateRequest, callSignal: AbortSignal): Promise<GenerateResponse> {
    const failed = new Map<string, number>();
    const trainedAt = request.trained ? (request.sampling?.temperature ?? 1) : undefined;
    const form = request.form?.kind;
    if (form !== undefined) checkForm(form);
    const asked: PoolRequest = { ...request, trainedAt, form, failed };
    for (let moves = 0; ; moves += 1) {
      const lease = await pool.acquire(asked, callSignal);
      const member = members.get(lease.address);
      if (member === undefined) throw new TerminalError('internal', `no engine ${lease.address}`);
      const { life } = member;
      try {
        // An engine that was restarted since it was asked serves what it was started with: it is to refuse.
        const minVersion = request.minVersion > lease.version ? request.minVersion : lease.version;
        const response = await member.connection.generate(
          { ...request, minVersion },
          { signal: AbortSignal.any([callSignal, life]), timeoutMs: options.generateTimeoutMs },
        );
        member.answered();
        if (response.load !== undefined) pool.report(lease.address, loadFromProto(response.load));
        const vocabularySize = member.description?.vocabularySize ?? 0;
        checkGenerated({ ...request, minVersion }, response, { address: lease.address, vocabularySize });
        return response;
      } catch (thrown) {
        const error = moveableError(thrown, lease.address);
        const died = life.aborted;
        if (callSignal.aborted || !(died || error instanceof TransientError)) throw error;
        failed.set(lease.address, lease.life);
        if (error.code === 'unavailable') member.suspend(error);
        // Busy everywhere: say so, with the engine's own advice on when to come back.
        if (!died && error.code !== 'unavailable' && !pool.canServe(asked)) throw error;
        if (moves >= MAX_MOVES) throw error;
        events.requestMoved(lease.address, error);
      } finally {
        lease.release();
      }
    }
  }

  return {
    generate,
    loadVersion(target, callSignal) {
      // One at a time: two loads in flight could end in either order on different engines.
      const mine = loading.then(() =>
        loadOnAll({ members, pool, wanted, events, timeoutMs: options.loadTimeoutMs }, target, callSignal),
      );
      loading = mine.catch(() => undefined);
      return mine;
    },
    add(address) {
      const known = pool.entry(address);
      if (known?.state === 'draining') pool.setDown(address);
      if (known !== undefined) return;
      if (members.size >= options.maxEngines) {
        throw new TerminalError(
          'failed_precondition',
          `AddEngine: ${members.size} engines are known already, the most a gateway takes; remove one, or start another gateway`,
        );
      }
      events.engineJoined(address);
      join(address).watch();
    },
    async remove(address, drainMs, callSignal) {
      const member = members.get(address);
      if (member === undefined) return 0;
      const moved = await removeMember(pool, member, drainMs, callSignal);
      // Added again while it drained: it stays.
      if (moved === undefined || members.get(address) !== member) return 0;
      leave(member, moved);
      return moved;
    },
    removeIfDown(address) {
      const member = members.get(address);
      if (member !== undefined && pool.entry(address)?.state === 'down') leave(member, 0);
    },
    describe() {
      const entries = pool.entries();
      const up = entries.flatMap(({ address, state }) => {
        const description = state === 'up' ? members.get(address)?.description : undefined;
        return description === undefined ? [] : [description];
      });
      const oldest = up
        .map(({ version }) => version)
        .reduce((least, each) => (each < least ? each : least), up[0]?.version ?? 0n);
      return {
        known: up.length === 0 && lastKnown !== undefined ? [lastKnown] : up,
        entries,
        members,
        version: wanted.current()?.version ?? oldest,
        weightsPath: wanted.current()?.weightsPath ?? '',
        weightsDigest: wanted.current()?.weightsDigest ?? '',
        load: totalLoad(entries, pool.queued()),
      };
    },
    load,
    async start(addresses) {
      const first = addresses.map(join);
      await Promise.all(first.map((member) => member.probe()));
      for (const member of first) member.watch();
    },
    close() {
      const stopped = new CancelledError('cancelled', 'the gateway stops');
      pool.close(stopped);
      for (const member of members.values()) member.dispose(stopped);
    },
  };
}

/** A call that ended as cancelled although its caller did not cancel was cut off by the engine's end. */
function moveableError(thrown: unknown, address: string): GradusError {
  const error = errorFrom(thrown);
  return error.code === 'cancelled'
    ? new TransientError('unavailable', `engine ${address} dropped the call`, { cause: error })
    : error;
}
