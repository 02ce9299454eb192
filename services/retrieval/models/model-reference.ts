import { statSync } from 'node:fs';
import { TerminalError } from '#platform/errors.ts';

/** Where a model is to be looked for. */
export type ModelReference = (
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'hub'; readonly name: string; readonly revision: string }
) & {
  /** Inside the model; undefined for where exporters put it. */
  readonly weightsFile: string | undefined;
};

const hubName = /^(?<name>[\w][\w.-]*\/[\w][\w.-]*)(?:@(?<revision>[\w][\w./-]*))?$/;
const looksLikePath = /^(?:\.{0,2}\/|\.{1,2}$|[A-Za-z]:\\)/;
const withWeights = /^(?<model>.+):(?<weights>[\w][\w./-]*\.onnx)$/;

/**
 * A directory where there is one of that name, else `owner/name[@revision]` of a hub; revision `main` unless given. After
 * either, `:` and the path of other weights than the usual, as `intfloat/e5-base-v2:onnx/model_O4.onnx`.
 */
export function parseModelReference(text: string): ModelReference {
  const parts = withWeights.exec(text)?.groups;
  const model = parts?.['model'] ?? text;
  const weightsFile = parts?.['weights'];
  if (looksLikePath.test(model) || statSync(model, { throwIfNoEntry: false })?.isDirectory() === true) {
    return { kind: 'directory', path: model, weightsFile };
  }
  const match = hubName.exec(model)?.groups;
  if (match?.['name'] === undefined || text.includes('..')) {
    throw new TerminalError(
      'invalid_argument',
      `model: ${JSON.stringify(text)} is neither a directory nor a hub id; give a path or owner/name[@revision], and ` +
        ':FILE.onnx after it for other weights than the usual',
    );
  }
  return { kind: 'hub', name: match['name'], revision: match['revision'] ?? 'main', weightsFile };
}
