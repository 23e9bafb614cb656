import type { ChatMessage } from '@lloom/codec';

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

/** Tokens of all messages of a chat. */
export function countChatTokens(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, message) => sum + countTokens(message.content), 0);
}
