/** The scripted judge in a thread of its own, so that its work is not part of what is measured. */
import { parentPort, workerData } from 'node:worker_threads';
import { startScriptedJudge, type ScriptedJudgeOptions } from '../../tests/fakes/scripted-judge.ts';
import type { EndpointReport } from './start-endpoint.ts';

// What `startEndpoint` passes.
const endpoint = await startScriptedJudge(workerData as ScriptedJudgeOptions);
parentPort?.on('message', () => {
  const report: EndpointReport = {
    replies: endpoint.replies,
    faulted: endpoint.faulted,
    calls: endpoint.requests.length,
  };
  parentPort?.postMessage(report, []);
});
parentPort?.postMessage(endpoint.baseUrl, []);
