import { fc } from '@fast-check/vitest';
import { encodePayload, openEnvelope, type PayloadType, type SignedMessage } from '@lloom/codec';
import { fromHex, toHex, zeroAddress, type EvmAddress, type Hex } from '@lloom/core';
import { MemoryDatastore } from 'datastore-core';
import { privateKeyToAccount } from 'viem/accounts';
import { beforeAll, describe, expect, test } from 'vitest';

import {
  createReplayGuard,
  Identity,
  verifySignedMessage,
  type ReplayGuard,
  type VerifyConfig,
} from '../src/index.ts';
import { typedDataOf } from '../src/internal/eip712.ts';
import { codeOf, createWorld } from './support/world.ts';

const seed = 20_260_101;
const runs = 10_000;
const order = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n;
const keys = { client: '1'.repeat(64), executor: '2'.repeat(64) };
const world = createWorld();
const { clock, client, executor, stranger } = world;
const otherDigest: Hex = `0x${'77'.repeat(32)}`;

/** An honest message and what its receiver expects. */
interface Honest {
  readonly message: SignedMessage;
  readonly expected: VerifyConfig;
}

/** Numbers to decide with. */
interface Dice {
  readonly at: number;
  readonly bit: number;
  readonly by: number;
}

type Mutant = SignedMessage | Promise<SignedMessage>;
type Mutate = (message: SignedMessage, dice: Dice) => Mutant;

let pool: readonly Honest[] = [];

beforeAll(async () => {
  const made: Honest[] = [];
  for (let index = 0; index < 16; index++) {
    const request = await client.sign(
      {
        model: `demo-${index}`,
        prompt: 'Hello'.repeat(index),
        maxTokens: index + 1,
        temperature: 0.7,
        extra: { a: 1, b: 2 },
      },
      { to: executor.evmAddress, inReplyTo: otherDigest, ttlMs: 60_000 + index },
    );
    made.push({ message: request, expected: expectationOf(request, client) });
    const answer = {
      content: 'Hi!',
      finishReason: 'stop',
      inboundTokens: index,
      outboundTokens: 2,
      totalCost: '7',
      modelUsed: 'demo-small',
      requestDigest: otherDigest,
    };
    const response = await executor.sign(answer, { to: client.evmAddress, inReplyTo: otherDigest });
    made.push({ message: response, expected: expectationOf(response, executor) });
  }
  pool = made;
});

function expectationOf(message: SignedMessage, signer: Identity): VerifyConfig {
  const { payloadType, to, inReplyTo } = message;
  return { clock, payloadType, signer: signer.evmAddress, audience: [to], inReplyTo };
}

const flipBit = (bytes: Uint8Array, { at, bit }: Dice): Uint8Array =>
  bytes.map((byte, index) => (index === at % bytes.length ? byte ^ (1 << (bit % 8)) : byte));
const flipHex = (hex: Hex, dice: Dice): Hex => toHex(flipBit(fromHex(hex), dice));
const change = (fields: Partial<SignedMessage>) => (message: SignedMessage) =>
  ({ ...message, ...fields }) as SignedMessage;

/** The same message with other payload bytes, and with the payload that they decode to. */
function withBytes(message: SignedMessage, payloadBytes: Uint8Array): SignedMessage {
  const { payload: _, ...envelope } = { ...message, payloadBytes };
  try {
    return openEnvelope(message.payloadType, envelope);
  } catch {
    return { ...message, payloadBytes };
  }
}

/** The signature of the same signer over the same fields in another domain. */
async function inDomain(message: SignedMessage, domain: object): Promise<SignedMessage> {
  const typedData = typedDataOf(message, { chainId: 1 }, client.verifier().digest(message.payloadBytes));
  const digits = message.signer === client.evmAddress.toLowerCase() ? keys.client : keys.executor;
  const elsewhere = { ...typedData, domain: { ...typedData.domain, ...domain } };
  return { ...message, signature: await privateKeyToAccount(`0x${digits}`).signTypedData(elsewhere) };
}

/** Signs the same bytes anew. */
async function signedBy(identity: Identity, message: SignedMessage, to: EvmAddress = message.to) {
  const { payloadType, payloadBytes, inReplyTo } = message;
  const envelope = await identity.signer().sign({ payloadType, payloadBytes, to, inReplyTo });
  return openEnvelope(payloadType, envelope);
}

/** The top-level fields of protobuf bytes, each with its tag. */
function protobufFields(bytes: Uint8Array): Uint8Array[] {
  const fields: Uint8Array[] = [];
  const varint = (from: number): number => {
    let end = from;
    while ((bytes[end] ?? 0) >= 0x80) end += 1;
    return end + 1;
  };
  for (let start = 0; start < bytes.length;) {
    const type = (bytes[start] ?? 0) & 7;
    let end = varint(start);
    if (type === 0) end = varint(end);
    else if (type === 1) end += 8;
    else end += 1 + (bytes[end] ?? 0);
    fields.push(bytes.subarray(start, end));
    start = end;
  }
  return fields;
}

const s = (message: SignedMessage): bigint => BigInt(`0x${message.signature.slice(66, 130)}`);
const withS = (message: SignedMessage, value: bigint, id: string): SignedMessage => ({
  ...message,
  signature: `${message.signature.slice(0, 66)}${value.toString(16).padStart(64, '0')}${id}` as Hex,
});
const recoveryIdOf = (message: SignedMessage): string => message.signature.slice(-2);
const otherId = (message: SignedMessage): string => (recoveryIdOf(message) === '1b' ? '1c' : '1b');

/** Another honest message. */
function otherThan(message: SignedMessage, by: number): SignedMessage {
  const others = pool.filter((honest) => honest.message !== message);
  return (others[by % others.length] as Honest).message;
}

/** Each kind of mutant, with the code that refuses it. */
const mutations: Readonly<Record<string, readonly [Mutate, string]>> = {
  'empty signature': [change({ signature: '0x' }), 'BAD_SIGNATURE'],
  'zero signature': [change({ signature: `0x${'00'.repeat(65)}` }), 'BAD_SIGNATURE'],
  'truncated signature': [
    (m, { at }) => ({ ...m, signature: m.signature.slice(0, 2 + 2 * (at % 65)) as Hex }),
    'BAD_SIGNATURE',
  ],
  'compact signature of 64 bytes': [
    (m) => ({ ...m, signature: m.signature.slice(0, 130) as Hex }),
    'BAD_SIGNATURE',
  ],
  'extended signature': [
    (m, { by }) => ({ ...m, signature: `${m.signature}${'00'.repeat((by % 9) + 1)}` as Hex }),
    'BAD_SIGNATURE',
  ],
  'bit of the signature': [(m, dice) => ({ ...m, signature: flipHex(m.signature, dice) }), 'BAD_SIGNATURE'],
  'high s': [(m) => withS(m, order - s(m), otherId(m)), 'BAD_SIGNATURE'],
  'high s with the same recovery id': [(m) => withS(m, order - s(m), recoveryIdOf(m)), 'BAD_SIGNATURE'],
  's beyond the order': [(m) => withS(m, (s(m) + order) % 2n ** 256n, recoveryIdOf(m)), 'BAD_SIGNATURE'],
  'other recovery id': [(m) => withS(m, s(m), otherId(m)), 'BAD_SIGNATURE'],
  'bare recovery id': [(m) => withS(m, s(m), recoveryIdOf(m) === '1b' ? '00' : '01'), 'BAD_SIGNATURE'],
  'any recovery id': [
    (m, { by }) => {
      const id = (by % 256).toString(16).padStart(2, '0');
      return withS(m, s(m), id === recoveryIdOf(m) ? 'ff' : id);
    },
    'BAD_SIGNATURE',
  ],
  'other domain name': [(m) => inDomain(m, { name: 'Loom' }), 'BAD_SIGNATURE'],
  'other domain version': [(m) => inDomain(m, { version: '2' }), 'BAD_SIGNATURE'],
  'other chain': [(m, { by }) => inDomain(m, { chainId: 2 + by }), 'BAD_SIGNATURE'],
  'other contract': [(m) => inDomain(m, { verifyingContract: zeroAddress }), 'BAD_SIGNATURE'],
  'other audience written over': [(m) => ({ ...m, to: stranger.evmAddress }), 'BAD_SIGNATURE'],
  'anybody written over': [change({ to: zeroAddress }), 'BAD_SIGNATURE'],
  'other audience, honestly signed': [
    (m) => signedBy(m.signer === client.evmAddress.toLowerCase() ? client : executor, m, stranger.evmAddress),
    'WRONG_AUDIENCE',
  ],
  'anybody, honestly signed': [
    (m) => signedBy(m.signer === client.evmAddress.toLowerCase() ? client : executor, m, zeroAddress),
    'WRONG_AUDIENCE',
  ],
  're-stamped time': [
    (m, { by }) => ({ ...m, timestampMs: m.timestampMs - 1 - (by % 9_999) }),
    'BAD_SIGNATURE',
  ],
  'extended expiry': [(m, { by }) => ({ ...m, expiresMs: m.expiresMs + 1 + by }), 'BAD_SIGNATURE'],
  'both times moved': [
    (m, { by }) => ({ ...m, timestampMs: m.timestampMs + 1 + by, expiresMs: m.expiresMs + 1 + by }),
    'BAD_SIGNATURE',
  ],
  'fresh nonce written over': [(m, dice) => ({ ...m, nonce: flipHex(m.nonce, dice) }), 'BAD_SIGNATURE'],
  'bit of the reply': [(m, dice) => ({ ...m, inReplyTo: flipHex(m.inReplyTo, dice) }), 'BAD_SIGNATURE'],
  'bit of the audience': [(m, dice) => ({ ...m, to: flipHex(m.to, dice) }), 'BAD_SIGNATURE'],
  'other payload type written over': [
    (m, { by }) => {
      const types: PayloadType[] = ['LlmRequest', 'LlmResponse', 'AnswerSegment', 'ServiceDescriptor'];
      const others = types.filter((type) => type !== m.payloadType);
      return { ...m, payloadType: others[by % 3] ?? 'LlmRequest' };
    },
    'BAD_SIGNATURE',
  ],
  'swapped signer': [change({ signer: stranger.evmAddress }), 'BAD_SIGNATURE'],
  'signature of another key': [
    async (m) => ({ ...m, signature: (await signedBy(stranger, m)).signature }),
    'BAD_SIGNATURE',
  ],
  "another executor's reply under this one's name": [
    async (m) => ({ ...(await signedBy(stranger, m)), signer: m.signer }),
    'BAD_SIGNATURE',
  ],
  "another executor's reply": [(m) => signedBy(stranger, m), 'WRONG_SIGNER'],
  'bit of the payload bytes': [(m, dice) => withBytes(m, flipBit(m.payloadBytes, dice)), 'BAD_SIGNATURE'],
  'truncated payload bytes': [
    (m, { at }) => withBytes(m, m.payloadBytes.slice(0, at % m.payloadBytes.length)),
    'BAD_SIGNATURE',
  ],
  'unknown field appended to the payload bytes': [
    (m) => withBytes(m, Uint8Array.from([...m.payloadBytes, 0xf8, 0x06, 0x01])),
    'BAD_SIGNATURE',
  ],
  'field repeated at the end of the payload bytes': [
    (m, { at }) => {
      const fields = protobufFields(m.payloadBytes);
      return withBytes(m, Buffer.concat([...fields, fields[at % fields.length] ?? new Uint8Array()]));
    },
    'BAD_SIGNATURE',
  ],
  'payload bytes with their fields in another order': [
    (m, { at }) => {
      const fields = protobufFields(m.payloadBytes);
      const turn = 1 + (at % (fields.length - 1));
      return withBytes(m, Buffer.concat([...fields.slice(turn), ...fields.slice(0, turn)]));
    },
    'BAD_SIGNATURE',
  ],
  'payload encoded again with the keys of its JSON in another order': [
    (m) => {
      if (m.payloadType !== 'LlmRequest') return { ...m, payloadBytes: m.payloadBytes.slice(1) };
      const payload = { ...openEnvelope('LlmRequest', m).payload, extra: { b: 2, a: 1 } };
      return withBytes(m, encodePayload('LlmRequest', payload));
    },
    'BAD_SIGNATURE',
  ],
  'other payload shown': [
    (m) => ({ ...m, payload: { ...m.payload, modelUsed: 'x', model: 'x' } }),
    'PAYLOAD_MISMATCH',
  ],
  'payload of another message shown': [
    (m, { by }) => ({ ...m, payload: otherThan(m, by).payload }),
    'PAYLOAD_MISMATCH',
  ],
  'envelope of one and signature of another message': [
    (m, { by }) => ({ ...m, signature: otherThan(m, by).signature }),
    'BAD_SIGNATURE',
  ],
};

const kinds = Object.keys(mutations);
const mutationOf = (kind: string): { readonly mutate: Mutate; readonly code: string } => {
  const [mutate, code] = mutations[kind] as readonly [Mutate, string];
  return { mutate, code };
};
const dice = fc.record({ at: fc.nat(), bit: fc.nat(), by: fc.nat({ max: 1_000_000 }) });

/** What becomes of a mutant, and then of the honest message and of its replay, before a fresh guard. */
async function attack(kind: string, honest: Honest, throws: Dice): Promise<unknown[]> {
  const replayGuard = await createReplayGuard({ clock });
  const verify = (message: SignedMessage) =>
    codeOf(() => verifySignedMessage(message, { ...honest.expected, replayGuard }));
  const mutant = await mutationOf(kind).mutate(honest.message, throws);
  return [kind, await verify(mutant), await verify(honest.message), await verify(honest.message)];
}

/** The only good outcome. */
const refused = (kind: string): unknown[] => [kind, mutationOf(kind).code, undefined, 'REPLAYED'];

describe('of mutants of signed messages', () => {
  test.for(kinds)('none is accepted with: %s', async (kind) => {
    for (const [index, honest] of pool.entries()) {
      expect(await attack(kind, honest, { at: index * 7, bit: index, by: index * 31 })).toEqual(
        refused(kind),
      );
    }
  });

  test(
    `none of ${runs} is accepted, and each honest message is, with seed ${seed}`,
    { timeout: 240_000 },
    async () => {
      let attacks = 0;
      const kind = fc.constantFrom(...kinds);
      const property = fc.asyncProperty(kind, fc.nat({ max: 31 }), dice, async (chosen, pick, throws) => {
        attacks += 1;
        expect(await attack(chosen, pool[pick] as Honest, throws)).toEqual(refused(chosen));
      });
      await fc.assert(property, { seed, numRuns: runs });
      expect(attacks).toBe(runs);
    },
  );

  test('none is accepted with pure cryptography either', { timeout: 120_000 }, async () => {
    const { message, expected } = pool[0] as Honest;
    const verify = (shown: SignedMessage) =>
      codeOf(() => verifySignedMessage(shown, { ...expected, crypto: 'pure' }));
    const outcomes: unknown[] = [];
    for (const kind of kinds) {
      outcomes.push([kind, await verify(await mutationOf(kind).mutate(message, { at: 5, bit: 3, by: 17 }))]);
    }
    expect(outcomes).toEqual(kinds.map((kind) => [kind, mutationOf(kind).code]));
    expect(await verify(message)).toBeUndefined();
  });
});

describe('a nonce that was used', () => {
  test('does not pass again under a new signature of its signer', async () => {
    const nonce = new Uint8Array(32).fill(9);
    const random = { bytes: (length: number) => nonce.slice(0, length), float: () => 0 };
    const reusing = Identity.fromPrivateKey(keys.client, { clock, random });
    const replayGuard = await createReplayGuard({ clock });
    const first = await reusing.sign({ model: 'demo-small', prompt: 'one' });
    const second = await reusing.sign({ model: 'demo-small', prompt: 'two' }, { ttlMs: 600_000 });
    expect(second.nonce).toBe(first.nonce);
    expect(await codeOf(() => verifySignedMessage(first, { clock, replayGuard }))).toBeUndefined();
    expect(await codeOf(() => verifySignedMessage(second, { clock, replayGuard }))).toBe('REPLAYED');
  });

  test('does not pass again after a restart, with a datastore or without', async () => {
    const datastore = new MemoryDatastore();
    const restart = async (guard: ReplayGuard & { close(): Promise<void> }, persists: boolean) => {
      await guard.close();
      clock.advance(1);
      return createReplayGuard({ clock, ...(persists && { datastore }) });
    };
    for (const persists of [true, false]) {
      let replayGuard = await createReplayGuard({ clock, ...(persists && { datastore }) });
      const messages = await Promise.all(
        Array.from({ length: 50 }, () => client.sign({ model: 'm', prompt: 'p' })),
      );
      for (const message of messages) await verifySignedMessage(message, { clock, replayGuard });
      for (let restarts = 0; restarts < 3; restarts++) {
        replayGuard = await restart(replayGuard, persists);
        const config = { clock, replayGuard };
        const codes = await Promise.all(
          messages.map((message) => codeOf(() => verifySignedMessage(message, config))),
        );
        expect(new Set(codes)).toEqual(new Set([persists ? 'REPLAYED' : 'OLDER_THAN_START']));
        const fresh = await client.sign({ model: 'm', prompt: 'p' });
        expect(await codeOf(() => verifySignedMessage(fresh, config))).toBeUndefined();
      }
    }
  });

  test('does not pass again when many arrive at once', async () => {
    const replayGuard = await createReplayGuard({ clock, datastore: new MemoryDatastore() });
    const message = await client.sign({ model: 'm', prompt: 'p' });
    const verify = () => codeOf(() => verifySignedMessage(message, { clock, replayGuard }));
    const codes = await Promise.all(Array.from({ length: 100 }, verify));
    expect(codes.filter((code) => code === undefined)).toHaveLength(1);
    expect(codes.filter((code) => code === 'REPLAYED')).toHaveLength(99);
  });
});
