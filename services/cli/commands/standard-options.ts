import { InvalidArgumentError, Option } from 'commander';
import { defaultNatsUrl } from '../store/nats-url.ts';

/** Options that several commands have, and readers of their values. */

export const home = (): Option => new Option('--home <dir>', 'folder of all runs').default('runs');
export const json = (): Option => new Option('--json', 'print JSON for machines').default(false);
export const credentials = (): Option =>
  new Option(
    '--credentials <dir>',
    'certificates, a directory of gradus credentials init: for the services that are started, or to connect with to those that run; by default connections are plain',
  );
/** Of commands that read the inputs of a recipe. */
export const inputStore = (): Option =>
  new Option(
    '--store <address>',
    'where artefact:DIGEST of the recipe is fetched from: an absolute path, nats:BUCKET, or s3://BUCKET/PREFIX?endpoint=URL&region=REGION; what is in the home already is not fetched',
  ).env('GRADUS_STORE');
export const storeNatsUrl = (): Option =>
  new Option('--nats-url <url>', 'NATS server of a store nats:BUCKET').default(defaultNatsUrl);
export const settings = (): Option =>
  several(
    '--set <path=value>',
    'value in place of one in the recipe, for example stages.0.until.steps=2; may be repeated',
  );

/** An option that may be given several times. */
export function several(flags: string, description: string): Option {
  return new Option(flags, description)
    .argParser((text: string, before: readonly string[]) => [...before, text])
    .default([]);
}

export const columns = (): Option =>
  new Option('--column <field=column>', 'column, or key, that holds a field of the format; may be repeated')
    .argParser((text: string, before: Readonly<Record<string, string>>) => {
      const [, field, column] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
      if (field === undefined || column === undefined)
        throw new InvalidArgumentError('It must be FIELD=COLUMN, for example question=problem.');
      return { ...before, [field]: column };
    })
    .default({}, 'the names of the format');

export const samples = (): Option => new Option('--no-samples', 'show no rollout now and then while the run goes on');

export function parseRunId(text: string): string {
  if (!/^[a-z0-9-]{1,64}$/.test(text)) throw new InvalidArgumentError('It must be 1 to 64 of a-z, 0-9 and -.');
  return text;
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('It must be a whole number of at least 0.');
  return value;
}

export function decimal(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('It must be a number of at least 0.');
  return value;
}
