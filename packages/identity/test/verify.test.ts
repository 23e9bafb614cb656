import { encodePayload, openEnvelope, type LlmRequest, type SignedMessage } from '@lloom/codec';
import { toHex, zeroAddress, zeroDigest, type EnvelopeExpectation, type Hex } from '@lloom/core';
import { beforeEach, describe, expect, test } from 'vitest';

import { createReplayGuard, createVerifier, IdentityError, verifySignedMessage } from '../src/index.ts';
import { codeOf, createWorld, failureOf } from './support/world.ts';

const input = { model: 'demo-small', prompt: 'Hello', idempotencyKey: 'key-1' };
const minute = 60_000;

describe('verifying a message', () => {
  let world: ReturnType<typeof createWorld>;
  let message: SignedMessage<LlmRequest>;

  beforeEach(async () => {
    world = createWorld();
    message = await world.client.sign(input, { to: world.executor.evmAddress });
  });

  test('says who signed it, as often as it is asked', async () => {
    const { client, clock } = world;
    for (const crypto of ['auto', 'pure'] as const) {
      expect(await verifySignedMessage(message, { clock, crypto })).toEqual({ signer: client.evmAddress });
    }
  });

  test('expects nothing that it was not told to expect', async () => {
    const { clock, client, executor } = world;
    const everything = {
      payloadType: 'LlmRequest',
      signer: client.evmAddress.toLowerCase() as Hex,
      audience: [zeroAddress, executor.evmAddress],
      inReplyTo: zeroDigest,
    };
    expect(await codeOf(() => verifySignedMessage(message, { clock, ...everything }))).toBeUndefined();
  });

  test.for<[string, (w: ReturnType<typeof createWorld>) => EnvelopeExpectation]>([
    ['WRONG_SIGNER', ({ executor }) => ({ signer: executor.evmAddress })],
    ['WRONG_AUDIENCE', ({ stranger }) => ({ audience: [stranger.evmAddress, zeroAddress] })],
    ['WRONG_AUDIENCE', () => ({ audience: [] })],
    ['WRONG_TYPE', () => ({ payloadType: 'LlmResponse' })],
    ['WRONG_REPLY', () => ({ inReplyTo: `0x${'11'.repeat(32)}` })],
  ])('refuses with %s what is not as expected', async ([code, expectation]) => {
    const { clock, executor } = world;
    const verifier = executor.verifier({}, { clock });
    expect(await codeOf(() => verifier.verify(message, expectation(world)))).toBe(code);
  });

  test('admits a message to anybody only where the zero address is expected', async () => {
    const { clock, client, executor } = world;
    const toAnybody = await client.sign(input);
    const audience = [executor.evmAddress];
    expect(await codeOf(() => verifySignedMessage(toAnybody, { clock, audience }))).toBe('WRONG_AUDIENCE');
    const open = { clock, audience: [...audience, zeroAddress] };
    expect(await codeOf(() => verifySignedMessage(toAnybody, open))).toBeUndefined();
  });

  test.for([
    ['on another chain', { chainId: 2 }],
    ['for a contract', { verifyingContract: zeroAddress }],
  ] as const)('refuses a signature made %s', async ([, domain]) => {
    const { clock, client } = world;
    const elsewhere = await client.sign(input, domain);
    expect(await codeOf(() => verifySignedMessage(elsewhere, { clock }))).toBe('BAD_SIGNATURE');
    expect(await codeOf(() => verifySignedMessage(elsewhere, { clock, ...domain }))).toBeUndefined();
  });

  test('tells a good signature by another key from a bad one', async () => {
    const { clock, stranger } = world;
    const forged = { ...(await stranger.sign(input)), signer: message.signer };
    const error = await failureOf(() => verifySignedMessage(forged, { clock }));
    expect(IdentityError.is(error, 'BAD_SIGNATURE') && error.data.reason).toBe('otherSigner');
  });

  test('reads hexadecimal digits in either case', async () => {
    const { clock } = world;
    const upper = (hex: Hex): Hex => `0x${hex.slice(2).toUpperCase()}`;
    const { signer, to, nonce, signature } = message;
    const loud = { signer: upper(signer), to: upper(to), nonce: upper(nonce), signature: upper(signature) };
    expect(await codeOf(() => verifySignedMessage({ ...message, ...loud }, { clock }))).toBeUndefined();
  });

  test.for([
    ['payloadBytes', { payloadBytes: 'text' as unknown as Uint8Array }],
    ['payloadType', { payloadType: '' as 'LlmRequest' }],
    ['signer', { signer: '0x' as Hex }],
    ['to', { to: `0x${'zz'.repeat(20)}` as Hex }],
    ['inReplyTo', { inReplyTo: undefined as unknown as Hex }],
    ['timestampMs', { timestampMs: -1 }],
    ['timestampMs', { timestampMs: 1.5 }],
    ['expiresMs', { expiresMs: 2 ** 53 }],
    ['expiresMs', { expiresMs: 0 }],
    ['nonce', { nonce: `0x${'00'.repeat(31)}` as Hex }],
    ['signature', { signature: 'nonsense' as Hex }],
    ['signature', { signature: undefined as unknown as Hex }],
  ] as const)('names the field %s when it cannot be read', async ([field, change]) => {
    const error = await failureOf(() =>
      verifySignedMessage({ ...message, ...change }, { clock: world.clock }),
    );
    expect(IdentityError.is(error, 'MALFORMED') && error.data.field).toBe(field);
  });

  test('refuses a configuration with a misspelt field', async () => {
    const config = { clock: world.clock, audiance: [] };
    expect(await codeOf(() => verifySignedMessage(message, config))).toBe('INVALID_CONFIG');
  });
});

describe('the payload of a message', () => {
  test('must be what the signed bytes say', async () => {
    const { client, clock } = createWorld();
    const message = await client.sign(input);
    const shown = { ...message, payload: { ...message.payload, model: 'demo-large' } };
    const error = await failureOf(() => verifySignedMessage(shown, { clock }));
    expect(IdentityError.is(error, 'PAYLOAD_MISMATCH') && error.data.reason).toBe('different');
  });

  test('is also compared when a message is passed where an envelope would do', async () => {
    const { client, clock } = createWorld();
    const message = await client.sign(input);
    const shown = { ...message, payload: { ...message.payload, maxTokens: 9_999 } };
    expect(await codeOf(() => client.verifier({}, { clock }).verify(shown, {}))).toBe('PAYLOAD_MISMATCH');
  });

  test('must be of the type that is named beside it', async () => {
    const { client, clock } = createWorld();
    const payloadBytes = encodePayload('LlmRequest', {
      ...input,
      messages: [{ role: 'user', content: 'Hi' }],
    });
    const envelope = await client.signer().sign({ payloadType: 'AnswerSegment', payloadBytes });
    const shown = { ...openEnvelope('LlmRequest', { ...envelope, payloadType: 'LlmRequest' }), ...envelope };
    const error = await failureOf(() => verifySignedMessage(shown as SignedMessage, { clock }));
    expect(IdentityError.is(error, 'PAYLOAD_MISMATCH') && error.data.reason).toBe('unreadable');
  });

  test('may be absent, and of a type that only the application knows', async () => {
    const { client, clock } = createWorld();
    const draft = { payloadType: 'shop/Order', payloadBytes: new Uint8Array([1, 2, 3]) };
    const envelope = await client.signer().sign(draft);
    expect(await client.verifier({}, { clock }).verify(envelope, {})).toEqual({ signer: client.evmAddress });
  });

  test('may be nested', async () => {
    const { client, clock } = createWorld();
    let value: [unknown] = [1];
    for (let depth = 0; depth < 50; depth++) value = [value];
    const message = await client.sign({ ...input, extra: { value: value as never } });
    expect(await codeOf(() => verifySignedMessage(message, { clock }))).toBeUndefined();
  });
});

describe('the time of a message', () => {
  test.for([
    ['in its first moment', 0],
    ['in its last moment', 5 * minute - 1],
    ['from a clock that is a minute ahead', -minute],
  ] as const)('is accepted %s', async ([, passed]) => {
    const { client, clock } = createWorld();
    const message = await client.sign(input);
    clock.jump(passed);
    expect(await codeOf(() => verifySignedMessage(message, { clock }))).toBeUndefined();
  });

  test('is named in ms when it has passed', async () => {
    const { client, clock } = createWorld();
    const message = await client.sign(input);
    clock.jump(10 * minute);
    const error = await failureOf(() => verifySignedMessage(message, { clock }));
    expect(String(error)).toContain('expired 300000 ms ago by this clock');
    expect(IdentityError.is(error, 'EXPIRED') && [error.data.lateMs, error.retryable]).toEqual([
      300_000,
      false,
    ]);
  });

  test('is over in the very millisecond that it names', async () => {
    const { client, clock } = createWorld();
    const message = await client.sign(input);
    clock.jump(5 * minute);
    expect(await codeOf(() => verifySignedMessage(message, { clock }))).toBe('EXPIRED');
  });

  test('is named in ms when it is still to come, and a retry may help', async () => {
    const { client, clock } = createWorld();
    const message = await client.sign(input);
    clock.jump(-10 * minute);
    const error = await failureOf(() => verifySignedMessage(message, { clock }));
    expect(String(error)).toContain('signed 600000 ms in the future by this clock, limit is 60000 ms');
    expect(IdentityError.is(error, 'NOT_YET_VALID') && [error.data.aheadMs, error.retryable]).toEqual([
      600_000,
      true,
    ]);
    clock.jump(10 * minute);
    expect(await codeOf(() => verifySignedMessage(message, { clock }))).toBeUndefined();
  });

  test('must not last longer than the receiver remembers', async () => {
    const { client, clock } = createWorld();
    const message = await client.sign(input, { ttlMs: 10 * minute });
    expect(await codeOf(() => verifySignedMessage(message, { clock }))).toBeUndefined();
    const strict = { clock, maxLifetimeMs: minute };
    expect(await codeOf(() => verifySignedMessage(message, strict))).toBe('LIFETIME_TOO_LONG');
  });

  test('may be off by as much as the receiver allows', async () => {
    const { client, clock } = createWorld();
    const message = await client.sign(input);
    clock.jump(-1_001);
    expect(await codeOf(() => verifySignedMessage(message, { clock, maxClockSkewMs: 1_000 }))).toBe(
      'NOT_YET_VALID',
    );
    expect(
      await codeOf(() => verifySignedMessage(message, { clock, maxClockSkewMs: 1_001 })),
    ).toBeUndefined();
  });
});

describe('the order of the checks', () => {
  test('is signature, signer, payload, time, audience, type, reply, nonce', async () => {
    const { client, executor, clock } = createWorld();
    const replayGuard = await createReplayGuard({ clock });
    const honest = await client.sign(input, { to: executor.evmAddress });
    await replayGuard.admit(honest);
    const shown = { ...honest, payload: { ...honest.payload, model: 'other' } };
    const flipped = { ...shown, signature: `${honest.signature.slice(0, -2)}00` as Hex };
    clock.jump(10 * minute);
    const wrong = {
      signer: executor.evmAddress,
      audience: [client.evmAddress],
      payloadType: 'LlmResponse',
      inReplyTo: `0x${'11'.repeat(32)}` as Hex,
    };
    const codes: unknown[] = [];
    const attempt = async (message: SignedMessage, expectation: Partial<typeof wrong>): Promise<void> => {
      codes.push(await codeOf(() => verifySignedMessage(message, { clock, replayGuard, ...expectation })));
    };
    await attempt(flipped, wrong);
    await attempt(shown, wrong);
    const { signer: _, ...noSigner } = wrong;
    await attempt(shown, noSigner);
    await attempt(honest, noSigner);
    clock.jump(-10 * minute);
    await attempt(honest, noSigner);
    const { audience: __, ...noAudience } = noSigner;
    await attempt(honest, noAudience);
    const { payloadType: ___, ...noType } = noAudience;
    await attempt(honest, noType);
    await attempt(honest, {});
    expect(codes).toEqual([
      'BAD_SIGNATURE',
      'WRONG_SIGNER',
      'PAYLOAD_MISMATCH',
      'EXPIRED',
      'WRONG_AUDIENCE',
      'WRONG_TYPE',
      'WRONG_REPLY',
      'REPLAYED',
    ]);
  });

  test('leaves a nonce unused when another check fails', async () => {
    const { client, executor, clock } = createWorld();
    const verifier = executor.verifier({}, { clock });
    const message = await client.sign(input, { to: executor.evmAddress });
    const misfit = { once: true, audience: [client.evmAddress] };
    expect(await codeOf(() => verifier.verify(message, misfit))).toBe('WRONG_AUDIENCE');
    expect(await codeOf(() => verifier.verify(message, { once: true }))).toBeUndefined();
    expect(await codeOf(() => verifier.verify(message, { once: true }))).toBe('REPLAYED');
    expect(await codeOf(() => verifier.verify(message, {}))).toBeUndefined();
  });

  test('asks last, and of a proven signer only, whether a nonce must be new', async () => {
    const { client, executor, clock } = createWorld();
    const verifier = executor.verifier({}, { clock });
    const message = await client.sign(input, { to: executor.evmAddress });
    const asked: unknown[] = [];
    const expecting = (isOnce: boolean, more: EnvelopeExpectation = {}): EnvelopeExpectation => ({
      ...more,
      once: (proven) => {
        asked.push(proven);
        return isOnce;
      },
    });
    const misfits: EnvelopeExpectation[] = [
      { signer: executor.evmAddress },
      { audience: [client.evmAddress] },
      { payloadType: 'LlmResponse' },
      { inReplyTo: `0x${'11'.repeat(32)}` },
    ];
    for (const misfit of misfits) {
      await expect(verifier.verify(message, expecting(true, misfit))).rejects.toBeInstanceOf(IdentityError);
    }
    expect(asked).toEqual([]);
    const proven = { signer: client.evmAddress };
    expect(await verifier.verify(message, expecting(false))).toEqual(proven);
    expect(await verifier.verify(message, expecting(false))).toEqual(proven);
    expect(await verifier.verify(message, expecting(true))).toEqual(proven);
    expect(await codeOf(() => verifier.verify(message, expecting(true)))).toBe('REPLAYED');
    expect(await verifier.verify(message, expecting(false))).toEqual(proven);
    expect(asked).toEqual(Array.from({ length: 5 }, () => proven));
  });

  test('fails with what its receiver throws when asked whether a nonce must be new, and leaves it unused', async () => {
    const { client, executor, clock } = createWorld();
    const verifier = executor.verifier({}, { clock });
    const message = await client.sign(input, { to: executor.evmAddress });
    const problem = new Error('another request has this key');
    const once = (): boolean => {
      throw problem;
    };
    await expect(verifier.verify(message, { once })).rejects.toBe(problem);
    expect(await codeOf(() => verifier.verify(message, { once: true }))).toBeUndefined();
  });
});

describe('a verifier', () => {
  const bytes = new TextEncoder().encode('hello');
  const digest = '0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8';

  test('needs no key', async () => {
    const { client, clock } = createWorld();
    const message = await client.sign(input);
    const verifier = createVerifier({}, { clock });
    expect(await verifier.verify(message, { once: true })).toEqual({ signer: client.evmAddress });
  });

  test.for(['auto', 'pure'] as const)('hashes at once and piece by piece, with %s cryptography', (crypto) => {
    const verifier = createVerifier({ crypto });
    expect(verifier.digest(bytes)).toBe(digest);
    const running = verifier.startDigest();
    running.update(bytes.subarray(0, 2));
    const early = running.digest();
    running.update(bytes.subarray(2));
    expect(running.digest()).toBe(digest);
    expect(early).toBe(verifier.digest(bytes.subarray(0, 2)));
  });

  test('knows the address of a peer', () => {
    const { client, stranger } = createWorld();
    expect(client.verifier().addressOf(stranger.peerId)).toBe(stranger.evmAddress);
  });

  test('of another configuration refuses what this one accepts', async () => {
    const { client, clock } = createWorld();
    const message = await client.signer({ chainId: 7 }).sign({ payloadType: 'x', payloadBytes: bytes });
    expect(await codeOf(() => createVerifier({ chainId: 7 }, { clock }).verify(message, {}))).toBeUndefined();
    expect(await codeOf(() => createVerifier({}, { clock }).verify(message, {}))).toBe('BAD_SIGNATURE');
    expect(() => createVerifier({ maxClockSkewMs: -1 })).toThrow('verifier.maxClockSkewMs');
    expect(toHex(message.payloadBytes)).toBe(toHex(bytes));
  });
});
