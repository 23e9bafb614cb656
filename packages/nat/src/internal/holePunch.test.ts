import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeHolePunch, encodeHolePunch, type HolePunch } from './holePunch.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const address = (length: number, value = 7): Uint8Array => new Uint8Array(length).fill(value);

describe('a message of DCUtR', () => {
  it.each<{ message: HolePunch; bytes: string }>([
    {
      message: { type: 'connect', addresses: [address(2), address(1, 9)] },
      bytes: '086412020707120109',
    },
    { message: { type: 'connect', addresses: [] }, bytes: '0864' },
    { message: { type: 'sync', addresses: [] }, bytes: '08ac02' },
  ])('is $bytes on the wire, both ways', ({ message, bytes }) => {
    expect(hex(encodeHolePunch(message))).toBe(bytes);
    expect(decodeHolePunch(Buffer.from(bytes, 'hex'))).toEqual(message);
  });

  it.each([
    { what: 'nothing', bytes: '' },
    { what: 'addresses without a type', bytes: '12020707' },
    { what: 'a type that is none', bytes: '0865' },
    { what: 'an address that is cut off', bytes: '0864120a0707' },
    { what: 'a length without an end', bytes: '086412ffffffffffffffffffff' },
  ])('is none when it is $what', ({ bytes }) => {
    expect(decodeHolePunch(Buffer.from(bytes, 'hex'))).toBeUndefined();
  });

  it('is none beyond 4 KiB', () => {
    const addresses = Array.from({ length: 40 }, () => address(100));
    const bytes = encodeHolePunch({ type: 'connect', addresses });
    expect(decodeHolePunch(bytes)?.addresses).toHaveLength(16);
    expect(decodeHolePunch(Buffer.concat([bytes, new Uint8Array(200)]))).toBeUndefined();
  });

  it('is read without addresses that are empty or overlong, and with fields that it does not know', () => {
    const message: HolePunch = { type: 'connect', addresses: [address(0), address(513), address(512)] };
    const bytes = Buffer.concat([encodeHolePunch(message), Buffer.from('1a0107', 'hex')]);
    expect(decodeHolePunch(bytes)).toEqual({ type: 'connect', addresses: [address(512)] });
  });

  it('never breaks a reader, whatever its bytes', () => {
    assert(
      property(uint8Array({ maxLength: 200 }), (bytes) => {
        const read = decodeHolePunch(bytes);
        expect(read === undefined || read.addresses.length <= 16).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
