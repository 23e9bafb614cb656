import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { durationMs, wei } from './amounts.ts';
import { collect, decimal, rateLimit, wholeNumber, withNodeOptions, type NodeOptions } from './options.ts';

const usage = expect.objectContaining({ name: 'CliError', code: 'USAGE' }) as Error;

describe('durationMs', () => {
  test.each([
    ['500ms', 500],
    ['30', 30_000],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['2m', 120_000],
    ['24h', 86_400_000],
  ])('%s', (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });
  test.each(['', '0', '-1', '0.1ms', '25h', '1d', 'soon', '1e3', '30 s'])('refuses "%s"', (text) => {
    expect(() => durationMs(text)).toThrow(usage);
  });
});

test.each([
  [[], true],
  [['--no-mdns'], false],
])('a node shows itself on the local network unless it is told not to: %j', (given, mdns) => {
  const command = withNodeOptions(new Command(), 'server');
  expect(command.parse(given, { from: 'user' }).opts<NodeOptions>().mdns).toBe(mdns);
});

test('a server is told through which relays it is reached, and whether it relays; a client is not', () => {
  const relay = '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWH3uVF6wv47WnArKHk5ZDVmGb6CVbEDqVyemfPnCaQnQM';
  const parse = (given: readonly string[]) =>
    withNodeOptions(new Command(), 'server').parse(given, { from: 'user' }).opts<NodeOptions>();
  expect(parse([])).not.toHaveProperty('relay');
  expect(parse(['--relay', relay, relay, '--relay-server'])).toMatchObject({
    relay: [relay, relay],
    relayServer: true,
  });
  expect(withNodeOptions(new Command(), 'client').helpInformation()).not.toContain('--relay');
});

test.each(['--bootstrap', '--listen', '--relay'])(
  'an address that was forgotten is not the next option: %s',
  (name) => {
    const command = withNodeOptions(new Command().option('--model <name>'), 'server');
    const parse = () => command.parse([name, '--model', 'm'], { from: 'user' });
    expect(parse).toThrow(
      expect.objectContaining({ code: 'USAGE', message: 'There is no address before --model' }),
    );
  },
);

describe('rateLimit', () => {
  test.each([
    ['60/1m', 60, 60_000],
    ['1/500ms', 1, 500],
    ['1000000/24h', 1_000_000, 86_400_000],
  ])('%s', (text, requests, perMs) => {
    expect(rateLimit(text)).toEqual({ requests, perMs });
  });
  test.each(['', '60', '60/', '/1m', '0/1m', '1.5/1m', '1000001/1m', '60/1m/1m', '60 per minute'])(
    'refuses "%s"',
    (text) => {
      expect(() => rateLimit(text)).toThrow(usage);
    },
  );
});

describe('wei', () => {
  test.each([
    ['0', '0'],
    ['007', '7'],
    ['1000000000000000000', '1000000000000000000'],
  ])('%s', (text, value) => {
    expect(wei(text)).toBe(value);
  });
  test.each(['', '-1', '1.5', '1gwei', '0x10', '1e18', '1'.repeat(79)])('refuses "%s"', (text) => {
    expect(() => wei(text)).toThrow(usage);
  });
});

describe('numbers', () => {
  test('whole ones stay within their bounds', () => {
    expect(wholeNumber(1, 5)('5')).toBe(5);
    for (const text of ['0', '6', '1.5', '', 'x', '9'.repeat(30)])
      expect(() => wholeNumber(1, 5)(text)).toThrow(usage);
  });
  test('decimal ones are not negative', () => {
    expect(decimal('0.7')).toBe(0.7);
    for (const text of ['-1', '.5', '', 'x', '1e9']) expect(() => decimal(text)).toThrow(usage);
  });
});

test('collect gathers values and leaves its default alone', () => {
  const before: string[] = [];
  const add = collect((value) => value.toUpperCase());
  expect(add('b', add('a', before))).toEqual(['A', 'B']);
  expect(add('a', undefined)).toEqual(['A']);
  expect(before).toEqual([]);
});
