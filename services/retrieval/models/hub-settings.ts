import { homedir } from 'node:os';
import { join } from 'node:path';
import { trimEnd } from '#platform/text/trim-end.ts';

/** How models are found that are named by a hub id. */
export interface HubSettings {
  /** Cache in the layout that all Hugging Face libraries share. */
  readonly cacheDirectory: string;
  readonly url: string;
  readonly token: string | undefined;
  /** Use the cache only. */
  readonly offline: boolean;
}

const isOn = (value: string | undefined): boolean => /^(?:1|on|yes|true)$/i.test(value ?? '');

/** The same variables, with the same meaning, as Python's huggingface_hub. */
export function hubSettingsFrom(environment: Readonly<Record<string, string | undefined>>): HubSettings {
  const { HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE } = environment;
  const home = HF_HOME ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface');
  return {
    cacheDirectory: HF_HUB_CACHE ?? join(home, 'hub'),
    url: trimEnd(HF_ENDPOINT ?? 'https://huggingface.co', '/'),
    token: HF_TOKEN === undefined || HF_TOKEN === '' ? undefined : HF_TOKEN,
    offline: isOn(HF_HUB_OFFLINE),
  };
}

/** Folder of a model in the cache: `blobs/`, `refs/REVISION`, `snapshots/COMMIT/FILE`. */
export const repositoryFolder = (cacheDirectory: string, name: string): string =>
  join(cacheDirectory, `models--${name.replace('/', '--')}`);
