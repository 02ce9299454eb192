import { onTestFinished } from 'vitest';
import type { ModelTurn } from '../../kit/environment.ts';
import { startFace, type FaceRules, type FaceSurroundings } from './start-face.ts';

export interface AskOptions {
  readonly key?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** What a worker gives of a turn. */
export const written = (index: number, text: string, more: Partial<ModelTurn> = {}): ModelTurn => ({
  index,
  text,
  tokens: { prompt: 3, turn: 2 },
  ...more,
});

export interface FaceUnderTest extends Partial<FaceRules>, FaceSurroundings {
  readonly maxNewTokens?: number;
  readonly trained?: boolean;
}

/** A face with one session, whose calls go to `path`. Closed with the test. */
export async function openFace(path: string, { maxNewTokens, trained, ...given }: FaceUnderTest = {}) {
  const face = await startFace({ thinking: false, sampling: 'refused', ...given }, given);
  onTestFinished(() => face.close());
  const { session, baseUrl, key } = face.open({ maxNewTokens, trained });
  async function post(body: unknown, options: AskOptions = {}) {
    const response = await fetch(`${baseUrl}${options.path ?? path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${options.key ?? key}`,
        ...options.headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(options.signal && { signal: options.signal }),
    });
    const text = await response.text();
    // Whatever a server answers.
    const json = (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown>;
    return { status: response.status, text, json };
  }
  /** A call that the model answers with this text. */
  async function turn(index: number, body: object, text: string, more: Partial<ModelTurn> = {}) {
    const answer = post(body);
    const asked = await session.asked();
    session.answer(written(index, text, more));
    return { asked, ...(await answer) };
  }
  return { face, session, baseUrl, key, post, turn };
}

/** The same for chat completions, asked by their messages. */
export async function openChat(options: FaceUnderTest = {}) {
  const opened = await openFace('/chat/completions', { maxNewTokens: 64, ...options });
  const ask = (messages: readonly object[], more: object = {}, how: AskOptions = {}) =>
    opened.post({ model: 'any', messages, ...more }, how);
  const turn = (index: number, messages: readonly object[], text: string, more: object = {}) =>
    opened.turn(index, { model: 'any', messages, ...more }, text);
  return { ...opened, ask, turn };
}

/** The data of a stream's events. */
export function eventsOf(text: string): readonly unknown[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) =>
    data.startsWith('{') ? (JSON.parse(data) as unknown) : data,
  );
}
