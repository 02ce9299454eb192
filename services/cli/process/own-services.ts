import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startChildService, type ChildService, type Ready } from '#fleet/child-service.ts';
import { credentialFlags, roleOf } from '#fleet/credentials-directory.ts';
import { flags, type PlannedService } from '#fleet/planned-service.ts';
import { childEnvironment, programOf } from '#fleet/service-programs.ts';
import { startGuardian } from '#platform/runtime/guardian.ts';

export interface OwnServicesOptions {
  /** Absolute folder of their logs, `PREFIX-LABEL.log`. */
  readonly logs: string;
  readonly prefix: string;
  /** Absolute: a directory of `gradus credentials init`. Absent: their connections are plain. */
  readonly credentials?: string | undefined;
  readonly signal: AbortSignal;
}

/** Services that one command starts for itself, outside of any fleet; all of them end with it. */
export interface OwnServices {
  /** Resolves once the service serves; gives its addresses. */
  start(planned: PlannedService): Promise<Ready>;
  stop(): Promise<void>;
}

/** Of a service whose plan says nothing else. Importing PyTorch from a cold disk takes its time. */
const readyTimeoutMs = 180_000;
const stopGraceMs = 5_000;

export async function createOwnServices({
  logs,
  prefix,
  credentials,
  signal,
}: OwnServicesOptions): Promise<OwnServices> {
  await mkdir(logs, { recursive: true });
  const guardian = startGuardian();
  const children: ChildService[] = [];
  return {
    async start(planned) {
      const program = programOf(planned.program ?? planned.service);
      const threads: Record<string, string> =
        planned.threads === undefined ? {} : { OMP_NUM_THREADS: `${planned.threads}` };
      const child = await startChildService({
        label: planned.label,
        command: program.command,
        args: [
          ...program.args,
          ...planned.args,
          ...credentialFlags(credentials, roleOf(planned.service)),
          ...flags({ grpc: '127.0.0.1:0', metrics: '127.0.0.1:0' }),
        ],
        env: childEnvironment(process.env, { ...program.env, ...threads }, planned.variables),
        logFile: join(logs, `${prefix}-${planned.label}.log`),
        readyTimeoutMs: planned.readyTimeoutMs ?? readyTimeoutMs,
        guardian,
        signal,
      });
      children.push(child);
      return child.ready;
    },
    async stop() {
      await Promise.all(children.map((child) => child.stop(stopGraceMs)));
      guardian.release();
    },
  };
}
