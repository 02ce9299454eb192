import { resolve } from 'node:path';
import { RunState, RunStatusSchema, type RunStatus } from '#proto/coordinator/v1/coordinator_pb.ts';
import { stateWord } from '#run/live-status.ts';
import { exitCodes } from '../exit-codes.ts';
import { restingRuns } from '../run/resting-runs.ts';
import { scoreTexts } from '../run/progress.ts';
import { formatDuration, tableLines } from '../terminal/format.ts';
import { jsonLine, messageJson } from '../terminal/json-line.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { openRuns, requireRuns, type RunsPlace } from './open-runs.ts';

export interface ListOptions extends RunsPlace {
  readonly json: boolean;
}

const head = ['run', 'state', 'stage', 'step', 'priority', 'time', 'last step'];

/**
 * The runs of a server, or of a home with what lies there without a fleet. One that cannot be read is a line with the reason, hides no other
 * and is not an error of this command.
 */
export async function listCommand(options: ListOptions, terminal: Terminal): Promise<number> {
  const coordinators = await openRuns(options);
  const { runs, unreadable, leftOut } = await (
    coordinators?.ask((client) => client.listRuns({})) ?? Promise.resolve({ runs: [], unreadable: [], leftOut: 0 })
  ).finally(() => coordinators?.close());
  const known = new Set([...runs, ...unreadable].map(({ runId }) => runId));
  const resting =
    options.server === undefined ? await restingRuns(resolve(options.home), known) : { runs: [], unreadable: [] };
  const unread = [...unreadable.map(({ runId: run, reason }) => ({ run, reason })), ...resting.unreadable];
  if (options.json) {
    for (const run of runs) terminal.out(jsonLine(messageJson(RunStatusSchema, run)));
    for (const { run, state, safeSteps } of resting.runs) terminal.out(jsonLine({ runId: run, state, safeSteps }));
    for (const { run, reason } of unread) terminal.out(jsonLine({ runId: run, unreadable: reason }));
    if (leftOut > 0) terminal.err(`${leftOut} more runs are left out: an answer holds 256`);
    return exitCodes.ok;
  }
  const rows = [
    ...runs.map(rowOf),
    ...resting.runs.map(({ run, state, safeSteps }) => [
      run,
      state.replaceAll('_', ' '),
      '',
      `${safeSteps}`,
      '',
      '',
      '',
    ]),
    ...unread.map(({ run }) => [run, 'unreadable', '', '', '', '', '']),
  ];
  if (rows.length === 0) terminal.out('no runs');
  else terminal.out(tableLines(rows, { head }));
  for (const run of runs) if (run.state === RunState.QUEUED) terminal.out(`run ${run.runId} waits: ${run.message}`);
  for (const { run, reason } of unread) terminal.out(`run ${run}: cannot be read: ${reason}`);
  if (leftOut > 0) terminal.out(`${leftOut} more runs are left out: an answer holds 256`);
  return exitCodes.ok;
}

/** One run of a server or of the fleet of a home. */
export async function runStatusCommand(runId: string, options: ListOptions, terminal: Terminal): Promise<number> {
  const coordinators = await requireRuns(options);
  try {
    const status = await coordinators.ask((client) => client.getRun({ runId }));
    if (options.json) {
      terminal.out(jsonLine(messageJson(RunStatusSchema, status)));
      return exitCodes.ok;
    }
    terminal.out(tableLines([rowOf(status)], { head }));
    if (status.message !== '') terminal.out(status.message);
    for (const warning of Object.values(status.warnings)) terminal.out(`warning: ${warning}`);
    if (status.remainingMs !== undefined) terminal.out(`about ${formatDuration(Number(status.remainingMs))} left`);
    terminal.out(`its files lie in ${status.directory}${options.server === undefined ? '' : ' on the server'}`);
    return exitCodes.ok;
  } finally {
    coordinators.close();
  }
}

function rowOf(run: RunStatus): string[] {
  return [
    run.runId,
    run.queuePosition === 0 ? stateWord(run.state) : `${stateWord(run.state)}, place ${run.queuePosition}`,
    `${run.stageIndex + 1}/${run.stages} ${run.stage}`,
    `${run.step}/${run.steps}`,
    `${run.priority}`,
    formatDuration(Number(run.elapsedMs)),
    scoreTexts(run).join(', '),
  ];
}
