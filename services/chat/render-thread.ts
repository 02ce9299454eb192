/** Renders a chat template in a thread of its own: a template is a program, and anyone who waits can end it. */
import { parentPort, workerData } from 'node:worker_threads';
import { Template } from '@huggingface/jinja';

export interface RenderRequest {
  /** Variables of the template, for each text that is wanted. */
  readonly inputs: readonly Readonly<Record<string, unknown>>[];
}

/** `ready` or `broken` once, then one `done` for each request, in order. */
export type RenderReply =
  | { readonly kind: 'ready' }
  /** The template itself is none. */
  | { readonly kind: 'broken'; readonly message: string }
  | { readonly kind: 'done'; readonly texts: readonly RenderedText[] };

export type RenderedText = { readonly text: string } | { readonly error: string };

/** The day would be in the prompt, and the same task another one tomorrow (P8): templates have a text for where nobody knows it. */
const withoutDay = "{% set strftime_now = undefined %}{{ '' }}";

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function render(template: Template, input: Readonly<Record<string, unknown>>): RenderedText {
  try {
    return { text: template.render({ ...input }) };
  } catch (thrown) {
    return { error: messageOf(thrown) };
  }
}

function reply(message: RenderReply): void {
  parentPort?.postMessage(message, []);
}

try {
  const template = new Template(withoutDay + String(workerData));
  parentPort?.on('message', ({ inputs }: RenderRequest) =>
    reply({ kind: 'done', texts: inputs.map((input) => render(template, input)) }),
  );
  reply({ kind: 'ready' });
} catch (thrown) {
  reply({ kind: 'broken', message: messageOf(thrown) });
}
