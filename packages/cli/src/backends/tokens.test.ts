import { describe, expect, test } from 'vitest';
import { countChatTokens, countRequestTokens, countTokens, splitTokens } from './tokens.ts';

describe('splitTokens', () => {
  test.each([
    ['', []],
    ['Hello', ['Hello']],
    ['Hello there', ['Hello', ' there']],
    ['  Hello\n\nthere ', ['  Hello', '\n\nthere', ' ']],
    ['incomprehensible', ['incomprehens', 'ible']],
    ['   ', ['   ']],
    ['日本語のとても長い文章です', ['日本語のとても長い文章で', 'す']],
    ['👩‍🚀👩‍🚀👩‍🚀👩‍🚀👩‍🚀', ['👩‍🚀👩‍🚀👩‍🚀👩‍🚀', '👩‍🚀']],
  ])('splits %j', (text, tokens) => {
    expect(splitTokens(text)).toEqual(tokens);
    expect(splitTokens(text).join('')).toBe(text);
    expect(countTokens(text)).toBe(tokens.length);
  });

  test('takes time in proportion to the text', () => {
    const text = `${' '.repeat(1_000_000)}${'x'.repeat(1_000_000)}${' '.repeat(1_000_000)}`;
    expect(countTokens(text)).toBe(Math.ceil(1_000_000 / 12) + 1);
  });
});

test('countChatTokens adds up all messages', () => {
  const chat = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'What is a DHT?' },
  ];
  expect(countChatTokens(chat)).toBe(6);
});

test('what messages have beyond their text counts, except what stands in the place of it, or is no text', () => {
  const calls = { tool_calls: [{ function: { name: 'rain', arguments: '{"in":"a place"}' } }] };
  const plain = { role: 'assistant', content: '' };
  expect(countChatTokens([{ ...plain, extra: calls }])).toBe(countTokens(JSON.stringify(calls)));
  const parts = (text: string, url: string) => ({ content: [{ text }, { image_url: { url } }] });
  const user = { role: 'user', content: 'What is this?', extra: parts('What is this?', 'data:image/gif,') };
  const large = { ...user, extra: parts('What is this?', `data:image/gif,${'x'.repeat(50_000)}`) };
  expect(countChatTokens([large])).toBe(countChatTokens([user]));
  expect(countChatTokens([{ ...user, content: '' }])).toBe(countChatTokens([user]));
});

test('countRequestTokens adds the tools', () => {
  const messages = [{ role: 'user', content: 'Hello' }];
  const tools = [{ type: 'function', function: { name: 'rain' } }];
  expect(countRequestTokens({ messages })).toBe(1);
  expect(countRequestTokens({ messages, extra: { top_k: 4, tools } })).toBe(
    1 + countTokens(JSON.stringify(tools)),
  );
});
