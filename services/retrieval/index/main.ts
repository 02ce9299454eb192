/**
 * One task over an index, for `gradus index`: the task is JSON in the first argument (`index-task.ts`); each line of
 * stdout is `{"progress": ...}`, then one `{"result": ...}` or `{"error": {"code", "message"}}`.
 */
import { CancelledError, TerminalError, errorFrom } from '#platform/errors.ts';
import { hubSettingsFrom } from '../models/hub-settings.ts';
import { indexTaskSchema, runIndexTask, type IndexTask } from './index-task.ts';

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => stopping.abort(new CancelledError('cancelled', 'stopped; nothing was written')));
// Nobody listens any more.
process.stdout.on('error', () => stopping.abort(new CancelledError('cancelled', 'stdout was closed')));

try {
  const task = parseTask(process.argv[2] ?? '');
  const context = {
    hub: hubSettingsFrom(process.env),
    onProgress: (progress: object) => say({ progress }),
    signal: stopping.signal,
  };
  say({ result: await runIndexTask(task, context) });
} catch (thrown) {
  const { code, message, stack } = errorFrom(thrown);
  say({ error: { code, message, ...(code === 'internal' && { stack }) } });
  process.exitCode = 1;
}

function parseTask(text: string): IndexTask {
  const parsed = indexTaskSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TerminalError('invalid_argument', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is wrong'}`);
}
