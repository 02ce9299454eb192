import { rankingFromGrpc, rankingFromHttp, type Ranking } from './answers.ts';
import type { Reply } from './connection.ts';
import { encodeCall, openConnection } from './open-connection.ts';
import type { GeneratorPlan } from './generator-plan.ts';

/** What a server answers to each query when it has nothing else to do: asked one after another. */
export async function askRankings(
  plan: Pick<GeneratorPlan, 'protocol' | 'address' | 'topK' | 'timeoutMs'>,
  queries: readonly string[],
): Promise<Ranking[]> {
  const connection = openConnection(plan.protocol, plan.address);
  const rankingFrom = plan.protocol === 'http' ? rankingFromHttp : rankingFromGrpc;
  const sweep = setInterval(() => connection.expire(performance.now() - plan.timeoutMs), 100);
  try {
    const rankings: Ranking[] = [];
    for (const query of queries) {
      const reply = await new Promise<Reply>((resolve) => connection.call(encodeCall(plan, query), resolve));
      if (reply.kind === 'failed') throw new Error(`${plan.address} fails before there is any load: ${reply.reason}`);
      rankings.push(rankingFrom(reply.body));
    }
    return rankings;
  } finally {
    clearInterval(sweep);
    connection.close();
  }
}
