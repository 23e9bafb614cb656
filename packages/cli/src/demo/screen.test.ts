import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Screen } from './screen.ts';

function setUp(config: { readonly isTTY?: boolean; readonly env?: NodeJS.ProcessEnv } = {}): {
  screen: Screen;
  text: () => string;
} {
  const { isTTY = false, env = {} } = config;
  let text = '';
  return { screen: new Screen({ isTTY, write: (part: string) => (text += part) }, env), text: () => text };
}

function playAll(screen: Screen): void {
  screen.step(1, 'A step');
  screen.say('word '.repeat(100));
  screen.flow('Incomprehensibilities ', { mark: '| ', style: 'one' });
  screen.flow('arrive\n in pieces. '.repeat(30), { mark: '| ', style: 'other' });
  screen.field('price', `${'9'.repeat(100)} wei, ${'word '.repeat(30)}`);
  screen.row(['a cell', 10], [screen.paint('good', 'another'), 12], ['the last', 0]);
}

describe('Screen', () => {
  test('never writes beyond 80 columns', () => {
    const { screen, text } = setUp({ isTTY: true });
    playAll(screen);
    const widths = stripVTControlCharacters(text())
      .split('\n')
      .map((line) => line.length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(80);
    expect(Math.max(...widths)).toBeGreaterThan(74);
  });

  test('wraps running text as it comes, word by word', () => {
    const { screen, text } = setUp();
    for (const part of ['Hello', ' there,', '\nyou', ` ${'x'.repeat(70)}`, ' end'])
      screen.flow(part, { mark: '| ' });
    screen.endFlow();
    screen.endFlow();
    expect(text()).toBe(`   | Hello there, you\n   | ${'x'.repeat(70)} end\n`);
  });

  test('keeps the pieces of a word together', () => {
    const { screen, text } = setUp();
    for (const part of ['incomprehens', 'ible', ' word']) screen.flow(part);
    expect(text()).toBe('   incomprehensible word');
  });

  test('paints the words of a running text, and neither its marks nor its spaces', () => {
    const { screen, text } = setUp({ isTTY: true });
    screen.flow('two words', { mark: 'A | ', style: 'one' });
    screen.endFlow();
    const painted = (word: string): string => screen.paint('one', word);
    expect(text()).toBe(`   A | ${painted('two')} ${painted('words')}\n`);
    expect(painted('two')).not.toBe('two');
  });

  test.each([
    ['a terminal', { isTTY: true }, true],
    ['a pipe', {}, false],
    ['a terminal with NO_COLOR', { isTTY: true, env: { NO_COLOR: '1' } }, false],
    ['a terminal with an empty NO_COLOR', { isTTY: true, env: { NO_COLOR: '' } }, true],
    ['a terminal that can do nothing', { isTTY: true, env: { TERM: 'dumb' } }, false],
  ])('colours on %s', (_, config, wanted) => {
    const { screen, text } = setUp(config);
    playAll(screen);
    expect(text().includes('\u001b[')).toBe(wanted);
    // Colours at most: nothing moves the cursor or clears the screen.
    const codes = text().split('\u001b').slice(1);
    expect(codes.filter((code) => !/^\[\d+m/.test(code))).toEqual([]);
  });
});
