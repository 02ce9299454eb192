import { resolve } from 'node:path';

/** The command that continues a run which ended with `message`; what the message says must be accepted is part of it. */
export function resumeHint(
  { runId, home }: { readonly runId: string; readonly home: string },
  message: string,
): string {
  const [accepting] = /--accept-changed [a-z_,]+/.exec(message) ?? [];
  const flags = [
    ...(home === resolve('runs') ? [] : [`--home ${home}`]),
    ...(accepting === undefined ? [] : [accepting]),
  ];
  return [`continue it with: gradus resume ${runId}`, ...flags].join(' ');
}
