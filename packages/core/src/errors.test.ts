import { describe, expect, test } from 'vitest';

import { AddressError, ConfigError, errorText, explainError, isCodedError, LloomError } from './index.ts';
import type { CodeTable } from './index.ts';

interface DoorErrorData {
  /** The door is locked. */
  LOCKED: { readonly door: string };
  /** Somebody stands in it. */
  BLOCKED: { readonly door: string; readonly by: number };
}

const table: CodeTable<DoorErrorData> = {
  LOCKED: { message: ({ door }) => `Cannot open "${door}"`, retryable: false, hint: 'Find the key.' },
  BLOCKED: {
    message: ({ door, by }) => `Cannot close "${door}": ${by} in it`,
    retryable: true,
    hint: 'Wait.',
  },
};

/** A copy of one package's error class, as a program may hold two of. */
function copyOfDoorError() {
  return class DoorError<C extends keyof DoorErrorData = keyof DoorErrorData> extends LloomError<
    C,
    DoorErrorData[C]
  > {
    constructor(code: C, data: DoorErrorData[C], options: { cause?: unknown } = {}) {
      super('DoorError', table[code], { code, data, ...options });
    }

    static is(error: unknown, code?: keyof DoorErrorData): boolean {
      return isCodedError(error, 'DoorError', code);
    }
  };
}

const DoorError = copyOfDoorError();

describe('an error', () => {
  const cause = new Error('rust');
  const error = new DoorError('BLOCKED', { door: 'front', by: 2 }, { cause });

  test('has a message made of its data, a code, whether to retry, and a hint', () => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'DoorError',
      message: 'Cannot close "front": 2 in it',
      code: 'BLOCKED',
      data: { door: 'front', by: 2 },
      retryable: true,
      hint: 'Wait.',
    });
  });

  test('keeps its cause, and has none when there was none', () => {
    expect(error.cause).toBe(cause);
    expect('cause' in new DoorError('LOCKED', { door: 'front' })).toBe(false);
  });

  test('becomes plain JSON without stack and cause', () => {
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'DoorError',
      code: 'BLOCKED',
      message: 'Cannot close "front": 2 in it',
      data: { door: 'front', by: 2 },
      retryable: true,
      hint: 'Wait.',
    });
  });

  test('starts its stack with its name and message', () => {
    expect(error.stack).toMatch(/^DoorError: Cannot close "front": 2 in it\n/);
  });
});

describe('is()', () => {
  test('knows an error of another copy of the package', () => {
    const Other = copyOfDoorError();
    const error = new Other('LOCKED', { door: 'back' });
    expect(error).not.toBeInstanceOf(DoorError);
    expect(DoorError.is(error)).toBe(true);
    expect(DoorError.is(error, 'LOCKED')).toBe(true);
    expect(DoorError.is(error, 'BLOCKED')).toBe(false);
    expect(LloomError.isLloomError(error)).toBe(true);
  });

  test('tells the errors of packages apart', () => {
    const config = new ConfigError([{ path: 'a.b', got: '1', wanted: '2' }]);
    const address = new AddressError('MISSING_PEER_ID', { got: '/' });
    expect([ConfigError.is(config), ConfigError.is(address)]).toEqual([true, false]);
    expect([AddressError.is(address), AddressError.is(config)]).toEqual([true, false]);
    expect(AddressError.is(address, 'MISSING_PEER_ID')).toBe(true);
    expect(AddressError.is(address, 'INVALID_PEER_ID')).toBe(false);
  });

  test.for([undefined, null, 'LOCKED', {}, { name: 'DoorError', code: 'LOCKED' }, new Error('LOCKED')])(
    'knows that %o is none',
    (value) => {
      expect(DoorError.is(value)).toBe(false);
      expect(LloomError.isLloomError(value)).toBe(false);
    },
  );

  test('does not take the errors of Node.js for ours', () => {
    const system = Object.assign(new Error('no such file'), { code: 'ENOENT' });
    expect(LloomError.isLloomError(system)).toBe(false);
  });
});

test('every error of this package has a hint that is a sentence', () => {
  const errors = [
    new ConfigError([]),
    new AddressError('INVALID_PEER_ID', { got: 'x' }),
    new AddressError('INVALID_MULTIADDR', { got: 'x', reason: 'no slash' }),
    new AddressError('MISSING_PEER_ID', { got: '/' }),
  ];
  for (const { hint, retryable } of errors) {
    expect(hint).toMatch(/^[A-Z].*\.$/);
    expect(retryable).toBe(false);
  }
});

describe('errorText()', () => {
  class Unnamed extends Error {}
  const thrown: readonly (readonly [wanted: string, thrown: unknown])[] = [
    ['said so', new Error('said so')],
    ['Error', new Unnamed()],
    ['a text', 'a text'],
    ['undefined', undefined],
    ['[object Object]', {}],
    ['Symbol(s)', Symbol('s')],
    ['something that has no text', Object.create(null)],
  ];

  test.for(thrown)('gives "%s"', ([wanted, value]) => {
    expect(errorText(value)).toBe(wanted);
  });

  test('cuts what is long, and leaves no half characters', () => {
    expect(errorText('x'.repeat(300))).toHaveLength(256);
    expect(errorText('abcdef', 4)).toBe('abc…');
    const cut = errorText('👋👋👋', 4);
    expect(cut).toHaveLength(4);
    expect(cut.isWellFormed()).toBe(true);
    expect(errorText('\ud800').isWellFormed()).toBe(true);
  });
});

test('several attempts are explained by one reason each, without repetition', () => {
  const attempts = [new Error('refused'), new Error('refused'), new Error(''), 'lost', 'a', 'b'];
  expect(explainError(new AggregateError(attempts))).toBe('refused; Error; lost; a');
  expect(explainError(new Error('alone'))).toBe('alone');
});

test('a dial is explained to its end: behind the peer and its address stands why', () => {
  const peerId = `16Uiu2${'A'.repeat(47)}`;
  const text = `Cannot dial "${peerId}": /ip4/192.168.100.100/tcp/40001/p2p/${peerId}: nobody listens there`;
  expect(explainError(new Error(text))).toBe(text);
});
