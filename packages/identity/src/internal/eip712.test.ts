import { fc } from '@fast-check/vitest';
import { fromHex, toHex, type EvmAddress, type Hex } from '@lloom/core';
import { hashTypedData, keccak256 } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { describe, expect, test } from 'vitest';

import golden from '../../test/vectors/envelope.json' with { type: 'json' };
import { selectBackend } from '../adapters/backend.ts';
import { envelopeType, hasherOf, typedDataOf, type Domain } from './eip712.ts';

const backends = [
  { name: 'auto', backend: selectBackend('auto') },
  { name: 'pure', backend: selectBackend('pure') },
];

const hexOf = (length: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => toHex(bytes));
const time = fc.maxSafeNat();
const envelopes = fc.record({
  payloadType: fc.string({ minLength: 1, maxLength: 40 }),
  payloadBytes: fc.uint8Array({ maxLength: 500 }),
  signer: hexOf(20),
  to: hexOf(20),
  inReplyTo: hexOf(32),
  timestampMs: time,
  expiresMs: time,
  nonce: hexOf(32),
});
const domains = fc.record(
  { chainId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), verifyingContract: hexOf(20) },
  { requiredKeys: ['chainId'] },
);

describe.each(backends)('the digest of an envelope, by the $name backend', ({ backend }) => {
  test('is what viem computes from the typed data', () => {
    fc.assert(
      fc.property(envelopes, domains, (envelope, domain) => {
        const payloadDigest = keccak256(envelope.payloadBytes);
        const digest = hasherOf(backend, domain).digest({
          ...envelope,
          payloadDigest: fromHex(payloadDigest),
          to: fromHex(envelope.to),
          inReplyTo: fromHex(envelope.inReplyTo),
          nonce: fromHex(envelope.nonce),
        });
        expect(toHex(digest)).toBe(hashTypedData(typedDataOf(envelope, domain, payloadDigest)));
      }),
      { numRuns: 200, seed: 3 },
    );
  });

  test('has the type hash of the golden vectors', () => {
    expect(envelopeType).toBe(golden.type);
    expect(toHex(hasherOf(backend, { chainId: 1 }).typeHash)).toBe(golden.typeHash);
  });

  test.for(golden.vectors)('is the golden one of $name', (vector) => {
    const hasher = hasherOf(backend, vector.domain as Domain);
    const payloadDigest = backend.keccak256(fromHex(vector.payloadBytes));
    const digest = hasher.digest({
      payloadDigest,
      payloadType: vector.payloadType,
      to: fromHex(vector.to),
      inReplyTo: fromHex(vector.inReplyTo),
      timestampMs: vector.timestampMs,
      expiresMs: vector.expiresMs,
      nonce: fromHex(vector.nonce),
    });
    expect(toHex(payloadDigest)).toBe(vector.payloadDigest);
    expect(toHex(hasher.domainSeparator)).toBe(vector.domainSeparator);
    expect(toHex(digest)).toBe(vector.digest);
  });
});

test.for(golden.vectors)('viem signs $name as in the golden vectors', async (vector) => {
  const account = privateKeyToAccount(golden.privateKey as Hex);
  const envelope = {
    ...vector,
    payloadBytes: fromHex(vector.payloadBytes),
    signer: vector.signer as EvmAddress,
    to: vector.to as EvmAddress,
    inReplyTo: vector.inReplyTo as Hex,
    nonce: vector.nonce as Hex,
  };
  const typedData = typedDataOf(envelope, vector.domain as Domain, vector.payloadDigest as Hex);
  expect(await account.signTypedData(typedData)).toBe(vector.signature);
});

test('a domain is set up once, however its contract is written', () => {
  const backend = selectBackend();
  const contract = '0xabcdefabcdefabcdefabcdefabcdefabcdefabcd';
  const first = hasherOf(backend, { chainId: 5, verifyingContract: contract });
  const mixed = `0x${contract.slice(2).toUpperCase()}` as EvmAddress;
  expect(hasherOf(backend, { chainId: 5, verifyingContract: mixed })).toBe(first);
  expect(hasherOf(backend, { chainId: 5 })).not.toBe(first);
});
