import type { EnvironmentDefinition } from './kit/environment.ts';
import { agent } from './agent/index.ts';
import { arithmetic } from './arithmetic/index.ts';
import { openenv } from './openenv/index.ts';
import { python } from './python/index.ts';
import { search } from './search/index.ts';
import { tools } from './tools/index.ts';

/** What commands without a recipe play where no option says otherwise. */
export const defaultEnvironment: EnvironmentDefinition = search;

/** The environments that Gradus brings. A new one is a folder and a line here. */
export const environments: readonly EnvironmentDefinition[] = [agent, arithmetic, openenv, python, search, tools];
