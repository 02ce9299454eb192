import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { knownEncoderSettings } from './known-encoders.ts';
import { readModelJson, type ModelFiles } from './model-files.ts';
import { poolings, type Pooling } from './pool-tokens.ts';

/** What happens around the network that makes it a sentence encoder. */
export interface SentenceSettings {
  readonly queryPrefix: string;
  readonly passagePrefix: string;
  readonly pooling: Pooling;
  readonly normalise: boolean;
  /** Special tokens included. */
  readonly maxTokens: number;
  readonly lowerCase: boolean;
}

/** Where nothing says otherwise: how most encoders are made. */
const fallback = { queryPrefix: '', passagePrefix: '', pooling: 'mean', normalise: true, maxTokens: 512 } as const;

const modulesFile = z.array(z.looseObject({ type: z.string() }));
const poolingFile = z.record(z.string(), z.unknown());
const bertFile = z.looseObject({ max_seq_length: z.int().positive().nullish(), do_lower_case: z.boolean().nullish() });
const sentenceFile = z.looseObject({
  prompts: z.record(z.string(), z.string().nullish()).nullish(),
  default_prompt_name: z.string().nullish(),
});

/** Module classes of sentence-transformers that this service knows how to do. */
const knownModules = new Set(['Transformer', 'Pooling', 'Normalize']);
const poolingFlags: Readonly<Record<string, Pooling>> = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
  pooling_mode_lasttoken: 'last',
};

/**
 * Given settings first, then those known for the model, then the files in which sentence-transformers says what it does.
 * Throws where these ask for something that is not done here.
 */
export async function readSentenceSettings(
  files: ModelFiles,
  given: { readonly [K in keyof SentenceSettings]?: SentenceSettings[K] | undefined },
): Promise<SentenceSettings> {
  const read = async <T>(name: string, schema: z.ZodType<T>): Promise<T | undefined> => {
    const content = await readModelJson(files, name);
    if (content === undefined) return undefined;
    const parsed = schema.safeParse(content);
    if (parsed.success) return parsed.data;
    throw new TerminalError('failed_precondition', `model ${files.id}: ${name}: ${z.prettifyError(parsed.error)}`);
  };
  const modules = await read('modules.json', modulesFile);
  const pooling = await read('1_Pooling/config.json', poolingFile);
  const bert = await read('sentence_bert_config.json', bertFile);
  const { prompts, default_prompt_name: defaultPrompt } =
    (await read('config_sentence_transformers.json', sentenceFile)) ?? {};

  const classes = modules?.map(({ type }) => type.split('.').at(-1) ?? type);
  const strange = classes?.filter((name) => !knownModules.has(name)) ?? [];
  if (strange.length > 0) {
    throw new TerminalError(
      'failed_precondition',
      `model ${files.id}: modules.json asks for ${strange.join(', ')}, which is not done here; ` +
        'export the whole pipeline to ONNX with one vector a text as output and leave modules.json out',
    );
  }
  const promptOf = (...names: readonly string[]): string | undefined =>
    [...names, defaultPrompt ?? ''].map((name) => prompts?.[name] ?? undefined).find((prompt) => prompt !== undefined);
  const described: Partial<SentenceSettings> = withoutUndefined({
    queryPrefix: promptOf('query'),
    passagePrefix: promptOf('passage', 'document'),
    pooling: given.pooling ?? (pooling === undefined ? undefined : poolingOf(files.id, pooling)),
    normalise: classes === undefined ? undefined : classes.includes('Normalize'),
    maxTokens: bert?.max_seq_length ?? undefined,
    lowerCase: bert?.do_lower_case ?? undefined,
  });
  return {
    ...fallback,
    lowerCase: false,
    ...described,
    ...knownEncoderSettings(files.id),
    ...withoutUndefined(given),
  };
}

function withoutUndefined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // Only entries that have a value stay.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** Old files have a flag a mode, new ones name it. */
function poolingOf(id: string, file: Readonly<Record<string, unknown>>): Pooling {
  const named = file['pooling_mode'];
  const modes =
    typeof named === 'string'
      ? [named === 'lasttoken' ? 'last' : named]
      : Object.entries(file)
          .filter(([name, on]) => name.startsWith('pooling_mode_') && on === true)
          .map(([name]) => poolingFlags[name] ?? name);
  const [mode] = modes;
  const known = poolings.find((pooling) => pooling === mode);
  if (known !== undefined && modes.length === 1) return known;
  throw new TerminalError(
    'failed_precondition',
    `model ${id}: 1_Pooling/config.json asks for pooling ${modes.join(' + ') || 'by nothing'}; done here: ${poolings.join(', ')}`,
  );
}
