import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  Chat,
  TokenIds,
  TokenizedChatSchema,
  TokenizeRequest,
  TokenizeResponseSchema,
} from '#proto/policy/v1/policy_pb.ts';
import { controlTokensOf, createNeutraliser } from '#chat/control-tokens.ts';
import { TerminalError } from '#platform/errors.ts';
import type { PolicyContext } from '../service.ts';
import { chatFromProto } from '#chat/chat-proto.ts';

const maxTexts = 256;
const maxLists = 65_536;
const maxIds = 1_000_000;

export async function tokenize(
  context: PolicyContext,
  { text, texts, chats, outsideTexts, formatTags, tokenIds: lists }: TokenizeRequest,
): Promise<MessageInitShape<typeof TokenizeResponseSchema>> {
  const { tokenizer, events } = context;
  for (const [field, { length }] of Object.entries({
    texts,
    chats,
    outside_texts: outsideTexts,
    format_tags: formatTags,
  })) {
    if (length > maxTexts)
      throw new TerminalError('invalid_argument', `Tokenize: ${field} has ${length} entries; at most ${maxTexts}`);
  }
  const tokenIds = tokenizer.encode(text);
  const results = texts.map((each) => ({ tokenIds: tokenizer.encode(each) }));
  const outside = tokenizeOutside(context, outsideTexts, formatTags);
  const tokenizedChats = await tokenizeChats(context, chats);
  const counts = [...results, ...outside, ...tokenizedChats].map((each) => each.tokenIds.length);
  events.textTokenized(counts.reduce((sum, count) => sum + count, tokenIds.length));
  const decoded = decodeLists(context, lists);
  return { tokenIds, tokenizerHash: tokenizer.hash, results, outside, chats: tokenizedChats, decoded };
}

function decodeLists({ tokenizer }: PolicyContext, lists: readonly TokenIds[]): string[] {
  const count = lists.reduce((sum, { ids }) => sum + ids.length, 0);
  if (lists.length > maxLists || count > maxIds) {
    const message = `Tokenize: token_ids has ${lists.length} lists of ${count} ids; at most ${maxLists} of ${maxIds} are decoded`;
    throw new TerminalError('invalid_argument', message);
  }
  return lists.map(({ ids }, at) => {
    const unknown = ids.find((id) => !tokenizer.has(id));
    if (unknown === undefined) return tokenizer.decode(ids);
    throw new TerminalError(
      'invalid_argument',
      `Tokenize: token_ids[${at}] holds ${unknown}, which the tokenizer does not have`,
    );
  });
}

/** Nothing that nobody vouched for ends a turn or begins one. */
function tokenizeOutside({ tokenizer }: PolicyContext, texts: readonly string[], formatTags: readonly string[]) {
  if (texts.length === 0) return [];
  const acting = controlTokensOf(tokenizer.addedTokens).filter((token) => !formatTags.includes(token));
  const neutralise = createNeutraliser(acting);
  return texts.map((text) => {
    const plain = neutralise(text);
    return { text: plain, tokenIds: tokenizer.encode(plain) };
  });
}

type Tokenized = MessageInitShape<typeof TokenizedChatSchema> & { readonly tokenIds: number[] };

async function tokenizeChats({ tokenizer, chat }: PolicyContext, chats: readonly Chat[]): Promise<Tokenized[]> {
  if (chats.length === 0) return [];
  if (chat === undefined) {
    throw new TerminalError(
      'failed_precondition',
      `Tokenize: there is no chat template next to ${tokenizer.path}; put chat_template.jinja, or a tokenizer_config.json with chat_template, there`,
    );
  }
  const rendered = await chat.render(chats.map((each, at) => chatFromProto(each, `Tokenize: chats[${at}]`)));
  return rendered.map(({ turnEnd, text }) => ({
    turnEndText: turnEnd,
    turnEndTokenIds: tokenizer.encode(turnEnd),
    text,
    tokenIds: tokenizer.encode(text),
  }));
}
