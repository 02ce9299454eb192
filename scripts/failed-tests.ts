import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';

// Prints the names of vitest's failed and skipped tests from the report of its JSON reporter, and of those that passed
// when their files ran once more (a second report). The log of a gate may be cut to its last lines, and vitest prints a
// failure far above them. With --files it prints only the files that hold a failure.

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { files: { type: 'boolean' } } });
// The files are vitest's own.
const [first, second] = positionals.map((path) => JSON.parse(readFileSync(path, 'utf8')) as Report);
if (first === undefined) throw new Error('usage: failed-tests.ts [--files] REPORT.json [SECOND.json]');
if (values.files) {
  for (const { status, name } of first.testResults) if (status === 'failed') console.log(relative(process.cwd(), name));
} else {
  const [before, again] = [failures(first), second && failures(second)];
  for (const [name, message] of before) {
    const flaky = again !== undefined && !again.has(name);
    console.log(`${flaky ? 'flaky, passed when its file ran once more' : 'failed'}: ${name}: ${shortened(message)}`);
  }
  for (const [name, message] of again ?? []) {
    if (!before.has(name)) console.log(`failed when its file ran once more: ${name}: ${shortened(message)}`);
  }
  const skipped = first.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'pending' || status === 'skipped'),
  );
  if (skipped.length > 0) console.log(`skipped: ${skipped.length} tests; their titles say what they need`);
}

/** The first message of each failed test by its name, and of each file that failed outside its tests. */
function failures(report: Report): Map<string, string> {
  return new Map(
    report.testResults.flatMap(({ name, status, message, assertionResults }): [string, string][] => {
      const file = relative(process.cwd(), name);
      const failed = assertionResults.filter((test) => test.status === 'failed');
      if (status === 'failed' && failed.length === 0) return [[file, message]];
      return failed.map(({ fullName, failureMessages }) => [`${file} > ${fullName}`, failureMessages[0] ?? '']);
    }),
  );
}

/** The beginning of a message and its end, which says what was expected; without the stack. */
function shortened(message: string): string {
  const [said = ''] = message.split(/\n {4}at /);
  const lines = said.split('\n');
  const shown = lines.length <= 7 ? lines : [...lines.slice(0, 3), '…', ...lines.slice(-3)];
  return shown.map((line) => line.slice(0, 300)).join(' | ');
}
