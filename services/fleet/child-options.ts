import { join } from 'node:path';
import { auditFile } from './audit-file.ts';
import type { ChildOptions } from './child-service.ts';
import { credentialFlags, roleOf, tokensFile } from './credentials-directory.ts';
import { flags, type PlannedService } from './planned-service.ts';
import type { Addresses } from './ports/reclaim-ports.ts';
import { childEnvironment, programOf } from './service-programs.ts';

export interface ChildSettings {
  /** Absolute: the fleet's. */
  readonly home: string;
  /** Absolute. One log per process. */
  readonly logs: string;
  /** Absolute: a directory of `gradus credentials init`. Absent: connections are plain. */
  readonly credentials: string | undefined;
  readonly guardian: ChildOptions['guardian'];
}

/** Some or all programs of these know no bearer tokens. */
const inPython: readonly string[] = ['engine', 'learner'];
/** Those that people give orders to. */
const auditedServices: readonly string[] = ['coordinator', 'policy', 'retrieval'];

/** Importing PyTorch from a cold disk takes its time. */
const readyTimeoutMs = 180_000;

/** How the process of a service is started, `at` the addresses that it must have; of each of its ranks where it has several. */
export function childOptions(
  planned: PlannedService,
  at: Addresses,
  signal: AbortSignal,
  settings: ChildSettings,
): readonly ChildOptions[] {
  const { home, logs, credentials, guardian } = settings;
  const program = programOf(planned.program ?? planned.service);
  const threads: Record<string, string> =
    planned.threads === undefined ? {} : { OMP_NUM_THREADS: `${planned.threads}` };
  const child: ChildOptions = {
    label: planned.label,
    command: program.command,
    args: [
      ...program.args,
      ...planned.args,
      ...credentialFlags(credentials, roleOf(planned.service)),
      ...(credentials !== undefined && !inPython.includes(planned.service)
        ? flags({ 'tls-tokens': tokensFile(credentials) })
        : []),
      ...(auditedServices.includes(planned.service) ? flags({ 'audit-file': auditFile(home) }) : []),
      ...flags({ grpc: at.grpc ?? '127.0.0.1:0', metrics: at.metrics ?? '127.0.0.1:0' }),
      ...(at.http === undefined ? [] : flags({ http: at.http })),
    ],
    env: childEnvironment(process.env, { ...program.env, ...threads }, planned.variables),
    logFile: join(logs, `${planned.label}.log`),
    readyTimeoutMs: planned.readyTimeoutMs ?? readyTimeoutMs,
    guardian,
    signal,
  };
  if (planned.ranks === undefined) return [child];
  return planned.ranks.map((args, rank) => ({
    ...child,
    label: `rank ${rank} of ${planned.label}`,
    args: [...child.args, ...args],
    logFile: rank === 0 ? child.logFile : join(logs, `${planned.label}-rank-${rank}.log`),
  }));
}
