import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeDialBack,
  decodeMessage,
  dialBackResponse,
  encodeDialBack,
  encodeMessage,
  isDialBackTaken,
  type AutonatMessage,
} from './autonatMessages.ts';

type Said = Exclude<AutonatMessage, { readonly kind: 'unknown' }>;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const nonce = 0x0102030405060708n;

const table: readonly (readonly [message: Said, bytes: string])[] = [
  [
    { kind: 'dialRequest', addresses: [Uint8Array.of(1, 2), Uint8Array.of(3)], nonce },
    '0a100a0201020a0103110807060504030201',
  ],
  [{ kind: 'dialResponse', status: 200, index: 1, dialStatus: 100 }, '120708c80110011864'],
  [{ kind: 'dialResponse', status: 0, index: 0, dialStatus: 0 }, '1200'],
  [{ kind: 'dialDataRequest', index: 2, byteCount: 30_000 }, '1a06080210b0ea01'],
  [{ kind: 'dialDataResponse', byteCount: 3 }, '22050a03000000'],
];

describe('messages of AutoNAT v2', () => {
  it.each(table)('are written and read: %o', (message, bytes) => {
    expect(hex(encodeMessage(message))).toBe(bytes);
    expect(decodeMessage(Uint8Array.from(Buffer.from(bytes, 'hex')))).toEqual(message);
  });

  it('prove a dial', () => {
    expect(hex(encodeDialBack(nonce))).toBe('090807060504030201');
    expect(decodeDialBack(encodeDialBack(2n ** 64n - 1n))).toBe(2n ** 64n - 1n);
    expect(hex(dialBackResponse)).toBe('0800');
    expect([dialBackResponse, new Uint8Array(), Uint8Array.of(8, 1)].map(isDialBackTaken)).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('of other kinds, and fields that nobody knows, are passed over', () => {
    expect(decodeMessage(new Uint8Array())).toEqual({ kind: 'unknown' });
    expect(decodeMessage(Buffer.from('2a020101', 'hex'))).toEqual({ kind: 'unknown' });
    expect(decodeMessage(Buffer.from('2a02010112022805', 'hex'))).toEqual({
      kind: 'dialResponse',
      status: 0,
      index: 0,
      dialStatus: 0,
    });
    expect(decodeDialBack(Uint8Array.of(0x18, 1))).toBe(0n);
  });

  it('keep 64 addresses at most', () => {
    const addresses = Array.from({ length: 500 }, () => Uint8Array.of(1));
    const bytes = Uint8Array.from(encodeMessage({ kind: 'dialRequest', addresses, nonce }));
    expect(decodeMessage(bytes)).toMatchObject({ addresses: addresses.slice(0, 64), nonce });
  });

  it('that are none are an error, and nothing else happens', () => {
    assert(
      property(uint8Array({ maxLength: 200 }), (bytes) => {
        const failures = [decodeMessage, decodeDialBack, isDialBackTaken].map((read) =>
          failureOf(read, bytes),
        );
        return failures.every((failure) => failure === undefined || failure instanceof Error);
      }),
    );
  });

  it('ask for as much as 64 bits can say', () => {
    const bytes = Buffer.from('1a0c100080808080808080808001', 'hex');
    const most = Buffer.from('1a0b10ffffffffffffffffff01', 'hex');
    expect(decodeMessage(most)).toMatchObject({ byteCount: 2 ** 64 });
    expect(() => decodeMessage(bytes)).toThrow(/./);
  });
});

function failureOf(read: (bytes: Uint8Array) => unknown, bytes: Uint8Array): unknown {
  try {
    read(bytes);
    return undefined;
  } catch (error) {
    return error;
  }
}
