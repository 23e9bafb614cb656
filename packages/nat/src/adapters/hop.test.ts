import { assert, property, uint8Array } from 'fast-check';
import { Writer } from 'protobufjs/minimal.js';
import { describe, expect, it } from 'vitest';
import { decodeAnswer } from './hop.ts';

interface Answer {
  readonly type?: number;
  readonly status?: number;
  readonly reservation?: { readonly expire?: number; readonly addresses?: number };
}

function encode({ type = 2, status, reservation }: Answer): Uint8Array {
  const writer = Writer.create().uint32(8).uint32(type);
  if (reservation !== undefined) {
    writer.uint32(26).fork();
    if (reservation.expire !== undefined) writer.uint32(8).uint64(reservation.expire);
    for (let n = 0; n < (reservation.addresses ?? 0); n++) writer.uint32(18).bytes(new Uint8Array([n]));
    // A voucher, and a field that is not known.
    writer.uint32(26).bytes(new Uint8Array(9)).uint32(88).uint32(7).ldelim();
  }
  writer.uint32(34).fork().uint32(8).uint32(120).ldelim();
  if (status !== undefined) writer.uint32(40).uint32(status);
  return writer.finish();
}

describe('what a relay answers', () => {
  it('is a place, with eight addresses at most', () => {
    const answer = decodeAnswer(
      encode({ status: 100, reservation: { expire: 1_800_000_000, addresses: 20 } }),
    );
    expect(answer).toMatchObject({ kind: 'place', expiresAt: 1_800_000_000_000 });
    expect(answer).toHaveProperty('addresses.length', 8);
  });

  it('is a place that says nothing of its end and where it is', () => {
    expect(decodeAnswer(encode({ status: 100, reservation: {} }))).toEqual({
      kind: 'place',
      expiresAt: 0,
      addresses: [],
    });
  });

  it.each([
    [200, 'it is full'],
    [201, 'it has no resources left'],
    [202, 'it denies it'],
  ])('is a refusal with status %i: %s', (status, reason) => {
    expect(decodeAnswer(encode({ status }))).toEqual({ kind: 'refused', reason });
  });

  it.each([
    ['of another type', { type: 0, status: 100, reservation: {} }],
    ['without a status', {}],
    ['with another status', { status: 400 }],
    ['that says yes without a place', { status: 100 }],
  ])('is not understood %s', (...[, answer]) => {
    expect(() => decodeAnswer(encode(answer))).toThrow(/the relay/);
  });

  it('may be anything', () => {
    const kindOf = (bytes: Uint8Array): string => {
      try {
        return decodeAnswer(bytes).kind;
      } catch (error) {
        return error instanceof Error ? 'error' : 'nonsense';
      }
    };
    assert(
      property(uint8Array({ maxLength: 200 }), (bytes) => {
        expect(['place', 'refused', 'error']).toContain(kindOf(bytes));
      }),
    );
  });
});
