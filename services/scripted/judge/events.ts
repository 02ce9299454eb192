import type { Metrics } from '#platform/telemetry/metrics.ts';
import type { JudgeQuestion } from './questions/read-question.ts';

export interface ScriptedJudgeEvents {
  replied(asks: JudgeQuestion['asks']): void;
  /** With an HTTP status from 400 on. */
  refused(status: number): void;
  loadChanged(running: number, waiting: number): void;
  questionUnknown(): void;
}

export function createScriptedJudgeEvents(metrics: Metrics): ScriptedJudgeEvents {
  const replies = metrics.counter(
    'gradus_scripted_judge_replies_total',
    'Replies of a scripted judge, by what was asked.',
    ['asks'],
  );
  const refusals = metrics.counter(
    'gradus_scripted_judge_refusals_total',
    'Requests to a scripted judge that it refused.',
    ['status'],
  );
  const running = metrics.gauge('gradus_scripted_judge_running_requests', 'Questions that a scripted judge works on.');
  const waiting = metrics.gauge('gradus_scripted_judge_waiting_requests', 'Questions that wait for a scripted judge.');
  const unknown = metrics.counter(
    'gradus_scripted_judge_unknown_questions_total',
    'Answers to questions that no file of the scripted judge has, graded by the references of the prompt.',
  );
  return {
    replied: (asks) => replies.inc({ asks }),
    refused: (status) => refusals.inc({ status: String(status) }),
    loadChanged(runningNow, waitingNow) {
      running.set(runningNow);
      waiting.set(waitingNow);
    },
    questionUnknown: () => unknown.inc(),
  };
}
