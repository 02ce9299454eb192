import { TerminalError, errorFrom } from '#platform/errors.ts';
import { type EngineServer, type FormKind, formKinds, type ServerForm } from './engine-server.ts';

const forms: Readonly<Record<FormKind, string>> = {
  json_object: '',
  json_schema: '{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}',
  regex: '[ab]{2}',
  grammar: 'root ::= "a" | "b"',
};

/** What a server can hold turns to: each is asked for with one token. What it answers with an error, as where it lacks a token that ends a turn, it cannot. */
export async function probeForms(
  { generate }: Pick<EngineServer, 'generate'>,
  signal: AbortSignal,
  kinds: readonly FormKind[] = formKinds,
): Promise<readonly FormKind[]> {
  const found: FormKind[] = [];
  for (const kind of kinds) {
    const form: ServerForm = { kind, definition: forms[kind] };
    try {
      await generate(
        {
          requestId: `gradus-probe-${kind}`,
          tokenIds: [11, 5, 23, 7],
          temperature: 1,
          topP: 1,
          topK: 0,
          maxNewTokens: 1,
          seed: 1,
          stop: [],
          priority: 0,
          form,
          cacheNamespace: 'probe',
        },
        signal,
      );
      found.push(kind);
    } catch (thrown) {
      if (errorFrom(thrown).details['status'] === undefined) throw thrown;
    }
  }
  return found;
}

/** The server refused the turn because of its form: nobody else would take it either. Undefined for other failures. */
export function formRefusal({ form }: { readonly form?: ServerForm }, thrown: unknown): TerminalError | undefined {
  const error = errorFrom(thrown);
  if (form === undefined || error.details['status'] !== 400) return undefined;
  return new TerminalError('invalid_argument', `form.definition: ${error.message}`, {
    cause: thrown,
    details: { field: 'form.definition' },
  });
}
