import { createGrpcServer } from '#platform/grpc/server.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { ScriptedJudgeConfig } from './config.ts';
import { createScriptedJudgeEvents } from './events.ts';
import { gradeByHops, readHopWorths } from './grades/grade-by-hops.ts';
import { gradeByReference } from './grades/grade-by-reference.ts';
import { createCompletions } from './http/completions.ts';
import { startHttpServer } from './http/start-http-server.ts';
import { type GradeAnswer, createJudgeScript } from './script/judge-script.ts';

export async function startScriptedJudge(
  config: ScriptedJudgeConfig,
  ctx: ServiceContext,
): Promise<{ readonly grpc: string; readonly http: string }> {
  const events = createScriptedJudgeEvents(ctx.metrics);
  const worths = await readHopWorths(config.questions);
  const otherwise: GradeAnswer = (asked, text) => {
    if (worths.size > 0) events.questionUnknown();
    return gradeByReference(asked, text);
  };
  const script = createJudgeScript({ ...config, grade: gradeByHops(worths, otherwise) });
  const http = await startHttpServer(config.http, createCompletions({ ...config, script, events }), events, config);
  ctx.defer('HTTP server', () => http.drain(config.drainMs));
  // Health and reflection, as every service has them.
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics, security: ctx.security });
  const grpc = await server.listen(config.grpc);
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  ctx.log.info({ questions: worths.size }, 'a scripted judge answers: it knows the answers and judges by rule');
  return { grpc, http: http.address };
}
