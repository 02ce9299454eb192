import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { GenerateRequestSchema } from '#proto/policy/v1/policy_pb.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { createRandom } from '#platform/random.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import type { chooseEngine } from '../../services/policy/engines/choose-engine.ts';
import { policyConfig } from '../../services/policy/config.ts';
import { connectEngine } from '../../services/policy/engines/engine-connection.ts';
import { createEngineFleet } from '../../services/policy/engines/engine-fleet.ts';
import { createPolicyEvents } from '../../services/policy/events.ts';

export interface PlayPlan {
  readonly addresses: readonly string[];
  readonly model: string;
  readonly choose: typeof chooseEngine;
  readonly sessions: number;
  readonly turns: number;
  /** Names the sessions and makes their tokens. */
  readonly tokens: string;
  /** Of the seeds: turns are as long in one way as in another where their tokens are alike. */
  readonly round: number;
}

export interface Played {
  readonly wallMs: number;
  readonly latenciesMs: readonly number[];
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
}

const systemTokens = 64;
const questionTokens = 32;
const pageTokens = 64;
const turnTokens = 24;
/** Ids of plain text in the vocabulary of policies/nano, which no turn ends with. */
const firstPlain = 256;
const plainTokens = 1024;

/** All sessions at once, each turn after the other: the gateway's fleet of engines, without the gateway's own gRPC. */
export async function playSessions(plan: PlayPlan): Promise<Played> {
  const { addresses, model, sessions, turns, tokens } = plan;
  const tokenizer = join(model, 'tokenizer.json');
  const stop = new AbortController();
  const fleet = createEngineFleet({
    ...policyConfig.parse({ engines: addresses, tokenizer }),
    choose: plan.choose,
    connect: (address) => connectEngine(address, 600_000),
    generateTimeoutMs: 600_000,
    tokenizerHash: (await loadTokenizer(tokenizer)).hash,
    events: createPolicyEvents(createLogger({ service: 'bench', level: 'silent' }), createMetrics()),
    signal: stop.signal,
  });
  await fleet.start(addresses);
  const random = createRandom(tokens);
  const some = (count: number): number[] => Array.from({ length: count }, () => firstPlain + random(plainTokens));
  const system = some(systemTokens);
  const total = { latenciesMs: [] as number[], promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };

  async function playSession(index: number, pages: readonly (readonly number[])[]): Promise<void> {
    const sequence = [...system];
    for (const [turn, page] of pages.entries()) {
      sequence.push(...page);
      const request = create(GenerateRequestSchema, {
        requestId: `${tokens}:${index}:${turn}`,
        sessionId: `${tokens}:${index}`,
        tokenIds: sequence,
        contextTokens: 1024,
        sampling: { temperature: 1, maxNewTokens: turnTokens, seed: BigInt(plan.round * 1000 + index * turns + turn) },
      });
      const startedMs = performance.now();
      const { tokenIds, cachedTokens } = await fleet.generate(request, stop.signal);
      total.latenciesMs.push(performance.now() - startedMs);
      total.promptTokens += sequence.length;
      total.cachedTokens += cachedTokens;
      total.generatedTokens += tokenIds.length;
      sequence.push(...tokenIds);
    }
  }

  const scripts = Array.from({ length: sessions }, () =>
    Array.from({ length: turns }, (_, turn) => some(turn === 0 ? questionTokens : pageTokens)),
  );
  const startedMs = performance.now();
  await Promise.all(scripts.map((pages, index) => playSession(index, pages)));
  const wallMs = performance.now() - startedMs;
  fleet.close();
  return { wallMs, ...total };
}
