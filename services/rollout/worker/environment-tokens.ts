import type { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { chatToProto } from '#chat/chat-proto.ts';
import { formatTags } from '#environments/kit/codec.ts';
import type { EnvironmentTokens } from '#environments/kit/clients.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';

export type Tokenize = GrpcClient<typeof PolicyService>['tokenize'];

/** As a sequence would be tokenised; nothing is recorded. */
export function environmentTokens(tokenize: Tokenize): EnvironmentTokens {
  return {
    async count(prompt, signal) {
      const isText = typeof prompt === 'string';
      const given = isText ? { outsideTexts: [prompt], formatTags: [...formatTags] } : { chats: [chatToProto(prompt)] };
      const { outside, chats } = await tokenize(given, { signal });
      return (isText ? outside : chats)[0]?.tokenIds.length ?? 0;
    },
    async decode(lists, signal) {
      const { decoded } = await tokenize({ tokenIds: lists.map((ids) => ({ ids: [...ids] })) }, { signal });
      return decoded;
    },
  };
}
