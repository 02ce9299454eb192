import { resolve } from 'node:path';

/** Of commands about a run, where its home is not the one that they look in. */
export function homeFlag(home: string): string {
  return home === resolve('runs') ? '' : ` --home ${home}`;
}

/** The command that continues a run which ended with `message`; what the message says must be accepted is part of it. */
export function resumeHint(
  {
    runId,
    home,
    credentials,
  }: { readonly runId: string; readonly home: string; readonly credentials?: string | undefined },
  message: string,
): string {
  const [accepting] = /--accept-changed [a-z_,]+/.exec(message) ?? [];
  const secured = credentials === undefined ? '' : ` --credentials ${credentials}`;
  return `continue it with: gradus resume ${runId}${homeFlag(home)}${secured}${accepting === undefined ? '' : ` ${accepting}`}`;
}
