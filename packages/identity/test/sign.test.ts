import { decodePayload, encodePayload, type LlmRequest, type LlmResponse, type Payload } from '@lloom/codec';
import { fromHex, toHex, zeroAddress, zeroDigest, type EvmAddress, type Hex } from '@lloom/core';
import { keccak256, recoverTypedDataAddress } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { describe, expect, expectTypeOf, test } from 'vitest';

import {
  Identity,
  IdentityError,
  signMessage,
  verifySignedMessage,
  type SignConfig,
  type Wallet,
} from '../src/index.ts';
import { typedDataOf } from '../src/internal/eip712.ts';
import { codeOf, createWorld, failureOf, fakeRandom, FakeClock, knownKey } from './support/world.ts';
import golden from './vectors/envelope.json' with { type: 'json' };

const input = { model: 'demo-small', prompt: 'Hello', systemPrompt: 'Be brief.', maxTokens: 16 };
const response: LlmResponse = {
  content: 'Hi!',
  finishReason: 'stop',
  inboundTokens: 5,
  outboundTokens: 2,
  totalCost: '7',
  modelUsed: 'demo-small',
  requestDigest: zeroDigest,
};

describe('signing a payload', () => {
  test('takes the peer id of a node as its audience, and refuses one without an address', async () => {
    const [from, to] = [Identity.generate(), Identity.generate()];
    const message = await from.sign(input, { to: to.peerId });
    expect(message.to).toBe(to.evmAddress.toLowerCase());
    const ed25519 = '12D3KooWH3uVF6wv47WnArKHk5ZDVmGb6CVbEDqVyemfPnCaQnQM';
    expect(await codeOf(() => from.sign(input, { to: ed25519 }))).toBe('NO_ADDRESS');
  });

  const { client, executor, clock } = createWorld();

  test('completes a request in its short form and names it', async () => {
    const { payload, payloadType } = await client.sign(input);
    expect(payloadType).toBe('LlmRequest');
    expect(payload).toEqual({
      model: 'demo-small',
      maxTokens: 16,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hello' },
      ],
      idempotencyKey: expect.stringMatching(
        /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      ),
    });
  });

  test('keeps the name that a request has', async () => {
    const { payload } = await client.sign({ ...input, idempotencyKey: 'mine' });
    expect(payload.idempotencyKey).toBe('mine');
  });

  test('gives each request another name and each envelope another nonce', async () => {
    const [a, b] = await Promise.all([client.sign(input), client.sign(input)]);
    expect(a.payload.idempotencyKey).not.toBe(b.payload.idempotencyKey);
    expect(a.nonce).not.toBe(b.nonce);
  });

  test('is for anybody, in answer to nothing and valid for five minutes unless told otherwise', async () => {
    expect(await client.sign(input)).toMatchObject({
      signer: client.evmAddress.toLowerCase(),
      to: zeroAddress,
      inReplyTo: zeroDigest,
      timestampMs: clock.now(),
      expiresMs: clock.now() + 300_000,
      nonce: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      signature: expect.stringMatching(/^0x[0-9a-f]{128}1[bc]$/),
    });
  });

  test('takes receiver, reply and lifetime from its configuration', async () => {
    const inReplyTo: Hex = `0x${'AB'.repeat(32)}`;
    const message = await client.sign(response, { to: executor.evmAddress, inReplyTo, ttlMs: 1_000 });
    expect(message).toMatchObject({
      to: executor.evmAddress.toLowerCase(),
      inReplyTo: `0x${'ab'.repeat(32)}`,
      expiresMs: clock.now() + 1_000,
    });
  });

  test('shows the payload as the receiver will read it', async () => {
    const upper: Hex = `0x${'AB'.repeat(32)}`;
    const message = await client.sign({ ...response, requestDigest: upper });
    expect(message.payload.requestDigest).toBe(`0x${'ab'.repeat(32)}`);
    expect(decodePayload('LlmResponse', message.payloadBytes)).toEqual(message.payload);
  });

  test('knows the type of what it signed', async () => {
    expectTypeOf(await client.sign(input))
      .toHaveProperty('payload')
      .toEqualTypeOf<LlmRequest>();
    expectTypeOf(await client.sign(response))
      .toHaveProperty('payload')
      .toEqualTypeOf<LlmResponse>();
    const either: Payload = response;
    expectTypeOf(await client.sign(either as Payload))
      .toHaveProperty('payload')
      .toEqualTypeOf<Payload>();
  });

  test('refuses a payload that cannot be encoded', async () => {
    expect(await codeOf(() => client.sign({ model: 'demo-small' }))).toBe('INVALID_FIELD');
    expect(await codeOf(() => client.sign({ ...response, totalCost: '-1' }))).toBe('INVALID_FIELD');
  });

  test.for([
    ['a lifetime of zero', { ttlMs: 0 }],
    ['a lifetime beyond ten minutes', { ttlMs: 600_001 }],
    ['a receiver that is no address', { to: '0x12' as EvmAddress }],
    ['a reply that is no digest', { inReplyTo: '0x' as Hex }],
    ['a chain of number 0', { chainId: 0 }],
    ['a misspelt field', { tllMs: 5 }],
  ] as [string, SignConfig][])('refuses %s', async ([, config]) => {
    expect(await codeOf(() => client.sign(input, config))).toBe('INVALID_CONFIG');
  });

  test.for([null, [], 'text', 7] as unknown as SignConfig[])(
    'refuses %o as its configuration',
    async (config) => {
      expect(await codeOf(() => client.sign(input, config))).toBe('INVALID_CONFIG');
    },
  );

  test('lists everything that is wrong with its configuration', async () => {
    const error = await failureOf(() => client.sign(input, { ttlMs: 0, to: '0x12', tllMs: 5 } as SignConfig));
    for (const path of ['sign.ttlMs', 'sign.to', 'sign.tllMs']) expect(String(error)).toContain(path);
  });

  test('gives each of very many envelopes a nonce of its own', async () => {
    const bytes = { payloadType: 'x', payloadBytes: new Uint8Array([1]) };
    const signer = Identity.generate().signer();
    const many = await Promise.all(Array.from({ length: 500 }, () => signer.sign(bytes)));
    expect(new Set(many.map(({ nonce }) => nonce)).size).toBe(500);
  });

  test('repeats itself with the same clock and chance', async () => {
    const same = () =>
      Identity.fromPrivateKey(knownKey.privateKey, { clock: new FakeClock(), random: fakeRandom() });
    expect(await same().sign(input)).toEqual(await same().sign(input));
  });
});

describe('signing a draft', () => {
  test.for(golden.vectors)('gives the golden signature of $name', async (vector) => {
    const clock = new FakeClock(vector.timestampMs);
    const random = { ...fakeRandom(), bytes: () => fromHex(vector.nonce) };
    const identity = Identity.fromPrivateKey(golden.privateKey);
    const domain = vector.domain as { chainId: number; verifyingContract?: EvmAddress };
    for (const crypto of ['auto', 'pure'] as const) {
      const envelope = await identity.signer({ ...domain, crypto }, { clock, random }).sign({
        payloadType: vector.payloadType,
        payloadBytes: fromHex(vector.payloadBytes),
        to: vector.to as EvmAddress,
        inReplyTo: vector.inReplyTo as Hex,
        ttlMs: vector.expiresMs - vector.timestampMs,
      });
      expect(envelope.signature).toBe(vector.signature);
      expect(envelope.expiresMs).toBe(vector.expiresMs);
    }
  });

  test.for([
    ['payloadType', { payloadType: '' }],
    ['payloadType', { payloadType: 'two words' }],
    ['payloadBytes', { payloadBytes: [1, 2] as unknown as Uint8Array }],
    ['to', { to: '0x1' as Hex }],
    ['inReplyTo', { inReplyTo: 7 as unknown as Hex }],
    ['ttlMs', { ttlMs: 600_001 }],
    ['ttlMs', { ttlMs: Number.NaN }],
  ] as const)('names the field %s when it cannot be read', async ([field, change]) => {
    const { client } = createWorld();
    const draft = { payloadType: 'LlmRequest', payloadBytes: new Uint8Array([1]), ...change };
    const error = await failureOf(() => client.signer().sign(draft));
    expect(IdentityError.is(error, 'MALFORMED') && error.data.field).toBe(field);
  });

  test('refuses a configuration that is not its own', () => {
    const { client } = createWorld();
    expect(() => client.signer({ to: zeroAddress } as object)).toThrow('signer.to');
  });

  test('hashes a large payload in slices, to the same digest', async () => {
    const { client, clock } = createWorld();
    const payloadBytes = new Uint8Array(1_000_000).map((_, index) => index);
    const envelope = await client.signer().sign({ payloadType: 'Large', payloadBytes });
    const typed = typedDataOf(envelope, { chainId: 1 }, keccak256(payloadBytes));
    const { signature } = envelope;
    expect(await recoverTypedDataAddress({ ...typed, signature })).toBe(client.evmAddress);
    expect(await client.verifier({}, { clock }).verify(envelope, {})).toEqual({ signer: client.evmAddress });
  });
});

describe('signing with a wallet', () => {
  const account = privateKeyToAccount(knownKey.privateKey);

  test('gives what the identity of the same key gives', async () => {
    const domain = { chainId: 5, verifyingContract: zeroAddress };
    for (const wallet of [account, Identity.fromPrivateKey(knownKey.privateKey).wallet]) {
      const message = await signMessage(input, wallet, { ...domain, to: knownKey.address });
      expect(await verifySignedMessage(message, { ...domain, audience: [knownKey.address] })).toEqual({
        signer: knownKey.address,
      });
    }
  });

  test('of an identity does not ask viem', async () => {
    const { wallet } = Identity.generate();
    const asked = { ...wallet, signTypedData: () => Promise.reject(new Error('asked')) };
    Object.assign(wallet, asked);
    await expect(signMessage(input, wallet)).resolves.toMatchObject({ payloadType: 'LlmRequest' });
    await expect(signMessage(input, asked)).rejects.toThrow('asked');
  });

  test('accepts a recovery id of 0 or 1 and a high s from it, and sends neither', async () => {
    const order = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n;
    const odd = {
      address: account.address,
      async signTypedData(parameters: Parameters<Wallet['signTypedData']>[0]) {
        const bytes = fromHex(await account.signTypedData(parameters));
        const s = order - BigInt(toHex(bytes.subarray(32, 64)));
        const id = bytes[64] === 27 ? '01' : '00';
        return `${toHex(bytes.subarray(0, 32))}${s.toString(16).padStart(64, '0')}${id}` as Hex;
      },
    };
    const message = await signMessage(input, odd);
    expect(await verifySignedMessage(message)).toEqual({ signer: account.address });
  });

  test.for<[string, Hex | undefined, string]>([
    ['with another key', undefined, 'otherSigner'],
    ['nothing', '0x', 'length'],
    ['something longer', `0x${'11'.repeat(80)}`, 'length'],
    ['with an unknown recovery id', `0x${'11'.repeat(64)}05`, 'recoveryId'],
    ['with an s beyond the order', `0x${'11'.repeat(32)}${'ff'.repeat(32)}1b`, 'highS'],
  ])('refuses a wallet that signs %s', async ([, signature, reason]) => {
    const { wallet } = Identity.generate();
    const bad = {
      address: account.address,
      signTypedData: async (parameters: Parameters<Wallet['signTypedData']>[0]) =>
        signature ?? wallet.signTypedData(parameters),
    };
    const error = await failureOf(() => signMessage(input, bad));
    expect(IdentityError.is(error, 'BAD_SIGNATURE') && error.data.reason).toBe(reason);
  });

  test('covers the bytes as they are sent', async () => {
    const { payload, payloadBytes } = await signMessage(input, account);
    expect(encodePayload('LlmRequest', payload)).toEqual(payloadBytes);
  });
});
