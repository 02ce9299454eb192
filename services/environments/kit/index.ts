/** What an environment in a file of its own imports, as `gradus/environment`. */
export { z } from 'zod';
export type { ChatMessage, ChatPart, Conversation } from '#chat/conversation.ts';
export { CancelledError, TransientError } from '#platform/errors.ts';
export { codecNames, createCodec, neutralise, type Codec, type CodecName } from './codec.ts';
export {
  defineEnvironment,
  type Environment,
  type EnvironmentDefinition,
  type Episode,
  type EpisodeFailure,
  type EpisodeRow,
  type ModelTurn,
  type StartIo,
  type StepIo,
  type StepOutcome,
  type TurnAction,
} from './environment.ts';
export { UserCodeError } from '#user-code/user-code-error.ts';
export { createToolEpisode, type ToolEpisodeOptions } from './tool-episode.ts';
export { callTool, defineTool, type Tool, type ToolResult } from './tools.ts';
