import { trimEnd } from '#platform/text/trim-end.ts';
import type { SentenceSettings } from './sentence-settings.ts';

/** What some models' cards ask for and their files do not say. */
const families: readonly { readonly name: RegExp; readonly settings: Partial<SentenceSettings> }[] = [
  {
    // Wang et al. 2022; 256 tokens as in Jan-nano's retrieval.
    name: /^(?:multilingual-)?e5-(?:small|base|large)(?:-v2|-unsupervised)?$/,
    settings: {
      queryPrefix: 'query: ',
      passagePrefix: 'passage: ',
      pooling: 'mean',
      normalise: true,
      maxTokens: 256,
    },
  },
  {
    name: /^bge-(?:small|base|large)-en(?:-v1\.5)?$/,
    settings: { queryPrefix: 'Represent this sentence for searching relevant passages: ', pooling: 'cls' },
  },
];

/** By the last part of the model's name, so that a copy in a directory is known, too. */
export function knownEncoderSettings(id: string): Partial<SentenceSettings> {
  const name =
    trimEnd(id.replace(/:[^:]*\.onnx$/, '').replace(/@.*$/, ''), '/')
      .split('/')
      .at(-1) ?? '';
  return families.find((family) => family.name.test(name))?.settings ?? {};
}
