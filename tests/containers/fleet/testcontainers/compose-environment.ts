/** The one file that knows testcontainers: it starts a project of Docker Compose and asks its containers. */
import { DockerComposeEnvironment, Wait, type StartedDockerComposeEnvironment } from 'testcontainers';

export interface ComposeProject {
  readonly name: string;
  /** Of the first file; paths in all files are relative to it. */
  readonly folder: string;
  /** Later ones change what earlier ones say. */
  readonly files: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** What a container that has no health says when it is ready, by its name. */
  readonly readyLines: Readonly<Record<string, RegExp>>;
  readonly startupTimeoutMs: number;
}

export async function composeUp(
  project: ComposeProject,
  ...services: string[]
): Promise<StartedDockerComposeEnvironment> {
  const environment = new DockerComposeEnvironment(project.folder, [...project.files])
    .withProjectName(project.name)
    .withEnvironment(project.environment)
    .withDefaultWaitStrategy(Wait.forHealthCheck())
    .withStartupTimeout(project.startupTimeoutMs);
  for (const [name, line] of Object.entries(project.readyLines))
    environment.withWaitStrategy(name, Wait.forLogMessage(line));
  return await environment.up(services);
}
