import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

// Prints the names of vitest's failed and skipped tests, and of those that passed only on their second attempt, from the
// report of its JSON reporter. The log of a gate may be cut to its last lines, and vitest prints a failure far above them.

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: failed-tests.ts REPORT.json');
// The file is vitest's own.
const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
let skipped = 0;
for (const file of report.testResults) {
  const name = relative(process.cwd(), file.name);
  const failed = file.assertionResults.filter(({ status }) => status === 'failed');
  skipped += file.assertionResults.filter(({ status }) => status === 'pending' || status === 'skipped').length;
  if (failed.length === 0 && file.message !== '') console.log(`failed: ${name}: ${shortened(file.message)}`);
  const flaky = file.assertionResults.filter(
    ({ status, failureMessages }) => status === 'passed' && failureMessages.length > 0,
  );
  for (const test of [...failed, ...flaky]) {
    const verdict = test.status === 'failed' ? 'failed' : 'flaky, passed on its second attempt';
    console.log(`${verdict}: ${name} > ${test.fullName}: ${shortened(test.failureMessages[0] ?? '')}`);
  }
}
if (skipped > 0) console.log(`skipped: ${skipped} tests; their titles say what they need`);

/** The beginning of a message and its end, which says what was expected; without the stack. */
function shortened(message: string): string {
  const [said = ''] = message.split(/\n {4}at /);
  const lines = said.split('\n');
  const shown = lines.length <= 7 ? lines : [...lines.slice(0, 3), '…', ...lines.slice(-3)];
  return shown.map((line) => line.slice(0, 300)).join(' | ');
}
