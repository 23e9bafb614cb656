import type { ChatMessage, JsonObject, JsonValue, LlmRequest } from '@lloom/codec';

// A word of up to 12 characters with the white space before it, or white space that nothing follows.
const token = /\s*\S{1,12}|\s+/gu;

/**
 * The tokens of a text by the simplest rule that serves: each word with the white space before it, words of more
 * than 12 characters in pieces. Joined they are the text again. Models count differently.
 */
export function splitTokens(text: string): string[] {
  return text.match(token) ?? [];
}

/** How many tokens {@link splitTokens} finds. */
export function countTokens(text: string): number {
  let count = 0;
  for (const _ of text.matchAll(token)) count++;
  return count;
}

/** Tokens of all messages of a chat, with what they have beyond their text. Images and the like count nothing. */
export function countChatTokens(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, { content, extra }) => {
    const text = extra?.['content'] === undefined ? countTokens(content) : 0;
    return sum + text + (extra === undefined ? 0 : countJsonTokens(extra));
  }, 0);
}

/** Tokens of a request: its messages, and the tools that it may call. */
export function countRequestTokens({ messages, extra }: Pick<LlmRequest, 'messages' | 'extra'>): number {
  const tools = extra?.['tools'];
  return countChatTokens(messages) + (tools === undefined ? 0 : countJsonTokens(tools));
}

/** What is written out in the text of an URL is no text. */
function countJsonTokens(value: JsonObject | JsonValue): number {
  const withoutData = (_key: string, entry: unknown): unknown =>
    typeof entry === 'string' && entry.startsWith('data:') ? '' : entry;
  return countTokens(JSON.stringify(value, withoutData));
}
