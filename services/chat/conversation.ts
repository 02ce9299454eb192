/** A message as chat templates take it. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  /** Text alone is of the outside world. */
  readonly content: string | readonly ChatPart[];
}

export interface ChatPart {
  readonly text: string;
  /** Written by the author of the recipe or the environment: control tokens in it are meant. Everything else has them neutralised. */
  readonly trusted?: boolean;
}

export function partsOf({ content }: ChatMessage): readonly ChatPart[] {
  return typeof content === 'string' ? [{ text: content }] : content;
}

export interface ChatOptions {
  /** Tools in JSON schema, for templates that list them. */
  readonly tools?: readonly unknown[];
  /** The turn may begin with a thought; else templates that know the switch close it at once. */
  readonly thinking?: boolean;
}

/** What the sequence begins with. */
export interface Conversation extends ChatOptions {
  readonly messages: readonly ChatMessage[];
}

/** What follows a turn of the model, which stays as the tokens that it wrote. */
export interface Continuation extends Pick<ChatOptions, 'thinking'> {
  readonly after: readonly ChatMessage[];
}

/** Text in front of the next turn of the model. */
export interface RenderedChat {
  /** Ends the model's turn where the model itself did not: a control token, or empty. Only of a continuation. */
  readonly turnEnd: string;
  readonly text: string;
}
