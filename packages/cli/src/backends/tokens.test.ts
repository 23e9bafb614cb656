import { describe, expect, test } from 'vitest';
import { countChatTokens, countTokens, splitTokens } from './tokens.ts';

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
