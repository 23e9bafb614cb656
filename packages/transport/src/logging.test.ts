import { generateKeyPair } from '@libp2p/crypto/keys';
import { disable, enable } from '@libp2p/logger';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { ConfigError, isTraced } from '@lloom/core';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { ComponentLogger } from '@libp2p/interface';
import { begin, createClock } from '../test/support/logs.ts';
import { createLog, type LogLevel, type LogRecord } from './index.ts';

/** What `DEBUG` asks for is for whoever runs the tests, not for them. */
let asked: string | undefined;
beforeEach(() => {
  asked = process.env['DEBUG'];
  disable();
});
afterEach(() => {
  if (asked !== undefined) enable(asked);
});

/** The one record of a line at the level `trace`. */
function recordOf(...args: [unknown, ...unknown[]]): LogRecord {
  const { log, seen } = begin({ level: 'trace' });
  log.forComponent('lloom:test')(...args);
  const records = seen();
  expect(records).toHaveLength(1);
  return records[0]!;
}

/** Everything that libp2p does with a logger. */
function use(log: ComponentLogger, component: string): void {
  const logger = log.forComponent(component);
  logger.error('E');
  logger('P');
  logger.trace('T');
}

describe('how much is logged', () => {
  test.each<[LogLevel, string, string]>([
    ['off', '', ''],
    ['error', 'error E', ''],
    ['info', 'error E, info P', ''],
    ['debug', 'error E, info P, debug T', 'debug E, debug P'],
    ['trace', 'error E, info P, debug T', 'debug E, debug P, trace T'],
  ])('at the level %s: of Lloom "%s", of others "%s"', (level, own, others) => {
    const { log, seen } = begin({ level });
    const said = (component: string): string => {
      use(log, component);
      return seen()
        .map((record) => `${record.level} ${record.message}`)
        .join(', ');
    };
    expect([said('lloom'), said('lloom:rpc'), said('libp2p:tcp'), said('lloomy')]).toEqual([
      own,
      own,
      others,
      others,
    ]);
  });

  test('changes while it is logged, also of what logs already', () => {
    const { log, said } = begin();
    const logger = log.forComponent('lloom:rpc').newScope('requests');
    expect(logger.enabled).toBe(false);
    logger('one');
    log.setLevel('info');
    expect(logger.enabled).toBe(true);
    logger('two');
    logger.trace('two in detail');
    log.setLevel('debug', 'lloom:rpc:requests');
    logger.trace('three in detail');
    log.setLevel('off', 'lloom:rpc');
    logger('four');
    log.setLevel(undefined, 'lloom:rpc:requests');
    logger('five');
    log.setLevel(undefined, 'lloom:rpc');
    logger('six');
    log.setLevel(undefined);
    logger('seven');
    expect(said()).toEqual([
      'info lloom:rpc:requests two',
      'debug lloom:rpc:requests three in detail',
      'info lloom:rpc:requests four',
      'info lloom:rpc:requests six',
    ]);
  });

  test('can be asked before a detail is made, where packages of Lloom do so for each message', () => {
    const { log } = begin({ level: 'info' });
    const logger = log.forComponent('lloom:rpc:requests');
    expect([logger.enabled, isTraced(logger)]).toEqual([true, false]);
    log.setLevel('debug', 'lloom:rpc');
    expect(isTraced(logger)).toBe(true);
    // What has no level for details is on or off as a whole.
    expect(isTraced({ enabled: true, trace: () => undefined })).toBe(true);
  });

  test('is what was set for the longest name that a component begins with, part by part', () => {
    const { log, said } = begin({ level: 'error' });
    log.setLevel('info', 'lloom:rpc');
    log.setLevel('off', 'lloom:rpc:a');
    for (const component of [
      'lloom',
      'lloom:rpc',
      'lloom:rpcs',
      'lloom:rpc:a',
      'lloom:rpc:a:1',
      'lloom:rpc:b',
    ])
      log.forComponent(component)('P');
    expect(said()).toEqual(['info lloom:rpc P', 'info lloom:rpc:b P']);
    expect([...log.levels]).toEqual([
      ['', 'error'],
      ['lloom:rpc', 'info'],
      ['lloom:rpc:a', 'off'],
    ]);
  });

  test('is set for 512 components at most, and as quickly for the last as for the first', () => {
    const { log } = begin();
    for (let index = 0; index < 511; index++) log.setLevel(index === 7 ? 'info' : 'error', `lloom:${index}`);
    expect(() => log.setLevel('info', 'lloom:more')).toThrow(ConfigError);
    log.setLevel('trace', 'lloom:7');
    log.setLevel(undefined, 'lloom:7');
    log.setLevel('error', 'lloom:more');
    log.setLevel(undefined, 'unknown');
    expect(log.levels.size).toBe(512);
  });

  test.each<[string, () => unknown]>([
    ['a level that is none', () => createLog({ level: 'loud' as LogLevel })],
    ['a level that is none, later', () => createLog().setLevel('loud' as LogLevel)],
    ['a component with a blank', () => createLog().setLevel('info', 'lloom rpc')],
    ['a component that ends with a star', () => createLog().setLevel('info', 'lloom:*')],
    ['a component that ends with a colon', () => createLog().setLevel('info', 'lloom:')],
    ['a bound of none', () => createLog({ maxRecordsPerSecond: 0 })],
  ])('is refused for %s', (_, act) => {
    expect(act).toThrow(ConfigError);
  });
});

describe('what is beneath', () => {
  test('is told everything, at whatever level', () => {
    const told: string[] = [];
    const beneath = createLog({
      level: 'trace',
      sink: ({ component, message }) => told.push(`${component} ${message}`),
    });
    const { log, said } = begin({ beneath });
    use(log, 'libp2p:tcp');
    log.forComponent('libp2p').newScope('tcp')('P');
    expect(told).toEqual(['libp2p:tcp E', 'libp2p:tcp P', 'libp2p:tcp T', 'libp2p:tcp P']);
    expect(log.forComponent('libp2p').enabled).toBe(true);
    expect(said()).toEqual([]);
  });

  test('is what DEBUG asks for, unless it is told otherwise', () => {
    const lines: string[] = [];
    vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
    onTestFinished(() => void vi.restoreAllMocks());
    const { log, said } = begin();
    const logger = log.forComponent('lloom:test');
    logger('before');
    enable('lloom:test');
    logger('while %s', 'asked');
    disable();
    logger('after');
    expect(lines.map((line) => line.replace(/^\S+Z /, ''))).toEqual(['lloom:test while asked\n']);
    expect(said()).toEqual([]);
  });

  test('without a sink, lines of text go to stderr', () => {
    const lines: string[] = [];
    vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
    onTestFinished(() => void vi.restoreAllMocks());
    createLog({ level: 'info', clock: createClock().clock }).forComponent('lloom:test')('began');
    expect(lines).toEqual(['1970-01-01T00:16:40.000Z info  lloom:test began\n']);
  });
});

describe('a record', () => {
  test('tells when, who and what, and which node when that was given', () => {
    const { log, seen } = begin({ level: 'info', node: 'peer-1' });
    log.forComponent('lloom:test')('%s of %d, 100%%', 'one', 2);
    expect(seen()).toEqual([
      { at: 1_000_000, level: 'info', component: 'lloom:test', node: 'peer-1', message: 'one of 2, 100%' },
    ]);
  });

  test('has what stands in a flat object as fields, and the ids of peer and request apart', () => {
    const { message, peerId, requestId, fields } = recordOf('request ended %o', {
      ...{ peerId: 'peer-2', requestId: 'r-1', ms: 12, outcome: 'answered', late: false },
      ...{
        none: undefined,
        nothing: null,
        big: 7n,
        odd: Number.NaN,
        ids: ['a', 'b'],
        body: new Uint8Array(9),
      },
    });
    expect({ message, peerId, requestId }).toEqual({
      message: 'request ended',
      peerId: 'peer-2',
      requestId: 'r-1',
    });
    expect(fields).toEqual({
      ...{ ms: 12, outcome: 'answered', late: false, nothing: null },
      ...{ big: '7', odd: 'NaN', ids: ['a', 'b'], body: '9 bytes' },
    });
  });

  test("shows what libp2p's formatters show", async () => {
    const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
    const address = multiaddr('/ip4/127.0.0.1/tcp/1');
    const bytes = Uint8Array.from([0, 1, 2, 3]);
    const args = [peer, address, bytes, bytes, bytes, 'key', undefined] as const;
    const { message, peerId } = recordOf('%p %a %b %t %m %k %s %x', ...args);
    expect(message).toBe(`${peer.toString()} /ip4/127.0.0.1/tcp/1 1Ldp aaaqeay AAECAw key undefined %x`);
    expect(peerId).toBe(peer.toString());
    expect(recordOf('%p', undefined).peerId).toBeUndefined();
    expect(recordOf('to %o', { peerId: peer, to: address })).toMatchObject({
      peerId: peer.toString(),
      fields: { to: '/ip4/127.0.0.1/tcp/1' },
    });
  });

  test.each<[string, [unknown, ...unknown[]], string]>([
    ['at the end of the text', ['failed - %e', new Error('no')], 'failed'],
    ['amid it', ['failed (%e) for %s', new Error('no'), 'me'], 'failed () for me'],
    ['as a text', ['failed: %s', new Error('no')], 'failed: no'],
    ['behind the text', ['failed', new Error('no')], 'failed'],
    ['alone', [new Error('no')], 'no'],
    ['as a field', ['failed %o', { error: new Error('no') }], 'failed'],
  ])('holds an error that stands %s', (_, args, message) => {
    expect(recordOf(...args)).toMatchObject({ message, error: { name: 'Error', message: 'no' } });
  });

  test('tells the reasons of an error, its code, and no stack', () => {
    const refused = new AggregateError([new Error('refused'), new Error('timed out')], 'all failed');
    const error = new TypeError('cannot dial', { cause: refused });
    expect(recordOf('no %e', Object.assign(error, { code: 'E_DIAL' })).error).toEqual({
      name: 'TypeError',
      code: 'E_DIAL',
      message: 'cannot dial; all failed; refused; timed out',
    });
  });

  test('is bounded, whatever a peer sends', () => {
    const long = 'x'.repeat(10_000);
    const deep = { a: { b: { secret: 'deep' } }, list: Array.from({ length: 1_000 }, () => ({})) };
    const wide = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`${at}${long}`, long]));
    const args = [
      long,
      new Error(long),
      deep,
      wide,
      Array.from(long.slice(0, 999)),
      { ids: Array(999).fill(long) },
    ] as const;
    const record = recordOf(`${long}%s %e %o %o %o %o`, ...args);
    expect(record.message).toHaveLength(2_000);
    expect(record.error?.message).toHaveLength(2_000);
    expect(Object.keys(record.fields ?? {})).toHaveLength(32);
    expect(JSON.stringify(record).length).toBeLessThan(45_000);
    expect(recordOf('%b', new Uint8Array(1_000_000)).message.length).toBeLessThan(100);
    expect(recordOf(' '.repeat(1_000_000)).message).toHaveLength(2_000);
    const shown = recordOf('%o %j', deep, wide).message;
    expect(shown.length).toBeLessThan(1_002);
    expect(shown).toMatch(/^{"a":"…","list":"1000 entries"}/);
  });

  test('shows nothing that is called a secret, and no bytes', () => {
    const { fields } = recordOf('%o', {
      privateKey: 'k',
      token: 't',
      tokens: 3,
      password: 'p',
      key: new Uint8Array(32),
    });
    expect(fields).toEqual({
      privateKey: 'hidden',
      token: 'hidden',
      tokens: 3,
      password: 'hidden',
      key: '32 bytes',
    });
  });

  test('is made of anything', () => {
    const hostile = {
      get peerId(): string {
        throw new Error('no peer');
      },
    };
    expect(recordOf('%o', hostile)).toMatchObject({
      message: 'what was to be logged could not be read',
      error: { message: 'no peer' },
    });
    for (const odd of [
      undefined,
      null,
      7,
      Symbol('s'),
      () => 1,
      new Map(),
      [],
      Object.create(null),
      new Date(Number.NaN),
    ])
      expect(recordOf(odd).message.length).toBeLessThan(100);
    const round: Record<string, unknown> = {};
    round['self'] = round;
    expect(recordOf('%o', round).message).toBe('{"self":"…"}');
    const forged = JSON.parse('{"__proto__": "x", "a": 1}') as object;
    expect(Object.entries(recordOf('%o', forged).fields ?? {})).toEqual([
      ['__proto__', 'x'],
      ['a', 1],
    ]);
  });
});
