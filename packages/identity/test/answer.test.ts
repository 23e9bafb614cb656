import { fc } from '@fast-check/vitest';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { AnswerPart, AnswerSegment, SignedMessage } from '@lloom/codec';
import { zeroDigest, type EvmAddress, type Hex } from '@lloom/core';
import { keccak256, stringToBytes } from 'viem';
import { describe, expect, test } from 'vitest';

import { IdentityError, verifyAnswer, verifySignedMessage, type Identity } from '../src/index.ts';
import { codeOf, createWorld, failureOf } from './support/world.ts';

const digestOf = (text: string): Hex => keccak256(stringToBytes(text));
const requestDigest = digestOf('the request');

/** What one executor does: it signs as the format says, unless a test makes it lie. */
class Executor {
  readonly #identity: Identity;
  #before = '';
  #text = '';
  #tokens = 0;
  #sinceSigned = 0;
  #index = 0;
  #prefixDigest: Hex = digestOf('');

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  get address(): EvmAddress {
    return this.#identity.evmAddress;
  }

  /** Begins a stretch after what was produced before. */
  begin(before: string): void {
    this.#before = before;
    this.#text = '';
    this.#tokens = 0;
    this.#sinceSigned = 0;
    this.#index = 0;
    this.#prefixDigest = digestOf(before);
  }

  say(text: string, tokens = 1): AnswerPart {
    this.#text += text;
    this.#sinceSigned += tokens;
    return { executor: this.#identity.peerId, text, tokens };
  }

  /** Says some text and signs all up to its end. */
  async sign(text: string, lie: Partial<AnswerSegment> = {}, config: object = {}): Promise<AnswerPart> {
    const part = this.say(text);
    this.#tokens += this.#sinceSigned;
    const segment: AnswerSegment = {
      requestDigest,
      index: this.#index++,
      prefixDigest: this.#prefixDigest,
      runningDigest: digestOf(this.#before + this.#text),
      tokens: this.#sinceSigned,
      inboundTokens: 5,
      outboundTokens: this.#tokens,
      totalCost: String(this.#tokens * 10),
      modelUsed: 'demo-small',
      ...lie,
    };
    this.#sinceSigned = 0;
    return { ...part, signed: await this.#identity.sign(segment, { inReplyTo: requestDigest, ...config }) };
  }
}

function createTeam() {
  const { client, executor, stranger } = createWorld();
  return { client, a: new Executor(executor), b: new Executor(stranger) };
}

/** An answer that fails over: A signs twice and leaves a tail, B takes over and ends. */
async function failover() {
  const { a, b, client } = createTeam();
  const byA = [a.say('Once '), await a.sign('upon '), await a.sign('a '), a.say('dra', 2)];
  b.begin('Once upon a dra');
  const byB = [b.say('gon '), await b.sign('slept.', { finishReason: 'stop' })];
  return { a, b, client, parts: [...byA, ...byB] };
}

async function reasonOf(parts: readonly AnswerPart[], config: object = {}): Promise<unknown> {
  const error = await failureOf(() => verifyAnswer(parts, { requestDigest, ...config }));
  return IdentityError.is(error, 'WRONG_ANSWER') ? [error.data.part, error.data.reason] : error;
}

describe('a streamed answer', () => {
  test('of one executor is proven up to its last signature', async () => {
    const { a } = createTeam();
    const parts = [await a.sign('Hi'), a.say(' there'), await a.sign('!'), a.say(' ...', 3)];
    expect(await verifyAnswer(parts, { requestDigest })).toEqual({
      signers: [a.address],
      shares: [{ signer: a.address, tokens: 3, totalCost: '30' }],
      requestDigest,
      signedTokens: 3,
      signedBytes: 9,
      unsignedTokens: 3,
      unsignedBytes: 4,
    });
  });

  test('that failed over is proven with the share of each executor; the tail between them is nobody’s', async () => {
    const { a, b, parts } = await failover();
    for (const crypto of ['auto', 'pure'] as const) {
      expect(await verifyAnswer(parts, { requestDigest, crypto })).toMatchObject({
        signers: [a.address, b.address],
        shares: [
          { signer: a.address, tokens: 3, totalCost: '30' },
          { signer: b.address, tokens: 2, totalCost: '20' },
        ],
        signedTokens: 5,
        unsignedTokens: 2,
        unsignedBytes: 3,
      });
    }
  });

  test('is also taken by verifySignedMessage', async () => {
    const { parts, a, b } = await failover();
    expect((await verifySignedMessage(parts, { requestDigest })).signers).toEqual([a.address, b.address]);
  });

  test('may name its executors by address', async () => {
    const { a } = createTeam();
    const parts = [await a.sign('Hi'), a.say('!')].map((part) => ({
      ...part,
      executor: a.address.toLowerCase(),
    }));
    expect((await verifyAnswer(parts)).signers).toEqual([a.address]);
  });

  test('of which nothing is signed proves nothing', async () => {
    const { a } = createTeam();
    const parts = [a.say('Hi'), a.say('!')];
    const nothing = { signers: [], shares: [], requestDigest: undefined, signedTokens: 0, signedBytes: 0 };
    expect(await verifyAnswer(parts)).toEqual({ ...nothing, unsignedTokens: 2, unsignedBytes: 3 });
    expect(await verifyAnswer([])).toEqual({ ...nothing, unsignedTokens: 0, unsignedBytes: 0 });
  });

  test('takes its request from the first signature when it is told none', async () => {
    const { parts } = await failover();
    expect((await verifyAnswer(parts)).requestDigest).toBe(requestDigest);
  });

  test('may come back to an executor that begins again', async () => {
    const { a, b } = createTeam();
    const parts = [await a.sign('1 ')];
    b.begin('1 ');
    parts.push(await b.sign('2 '));
    a.begin('1 2 ');
    parts.push(a.say('3 '), await a.sign('4 '));
    expect(await verifyAnswer(parts, { requestDigest })).toMatchObject({
      signers: [a.address, b.address],
      shares: [
        { signer: a.address, tokens: 3, totalCost: '30' },
        { signer: b.address, tokens: 1, totalCost: '10' },
      ],
    });
  });

  test('may be retried with the same executor, whose tail stays unsigned', async () => {
    const { a } = createTeam();
    const parts = [await a.sign('1 '), a.say('2 ')];
    a.begin('1 2 ');
    parts.push(a.say('3 '), await a.sign('4 '), await a.sign('5'));
    expect(await verifyAnswer(parts, { requestDigest })).toMatchObject({
      shares: [{ signer: a.address, tokens: 4, totalCost: '40' }],
      signedTokens: 4,
      unsignedTokens: 1,
    });
  });

  test('may hold tokens without text, which belong to the attempt that signs them', async () => {
    const { a } = createTeam();
    const parts = [a.say('', 3)];
    a.begin('');
    parts.push(await a.sign('Hi'));
    expect(await verifyAnswer(parts)).toMatchObject({ signedTokens: 1, unsignedTokens: 3 });
  });

  test('that is long lets the program go on while it is proven', async () => {
    const { a } = createTeam();
    const parts: AnswerPart[] = [];
    for (let index = 0; index < 100; index++) parts.push(a.say('one '), await a.sign('two '));
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    count();
    expect(await verifyAnswer(parts)).toMatchObject({ signedTokens: 200 });
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(6);
  });

  test('stays proven long after its envelopes have expired', async () => {
    const { parts } = await failover();
    expect(parts.some(({ signed }) => (signed?.expiresMs ?? Date.now()) < Date.now())).toBe(true);
    expect(await codeOf(() => verifyAnswer(parts, { requestDigest }))).toBeUndefined();
  });

  test('with an executor that has no address may be shown, and never be signed', async () => {
    const { a } = createTeam();
    const executor = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString();
    expect(await verifyAnswer([{ executor, text: 'Hi', tokens: 1 }])).toMatchObject({ unsignedTokens: 1 });
    expect(await reasonOf([{ ...(await a.sign('Hi')), executor }])).toEqual([0, 'executor']);
  });
});

describe('an answer is refused', () => {
  test('when its text was changed anywhere before a signature', async () => {
    const { parts } = await failover();
    const change = (at: number) => parts.map((part, index) => (index === at ? { ...part, text: 'X' } : part));
    expect(await Promise.all([0, 1, 2, 3, 4, 5].map((at) => reasonOf(change(at))))).toEqual([
      [1, 'text'],
      [1, 'text'],
      [2, 'text'],
      [5, 'text'],
      [5, 'text'],
      [5, 'text'],
    ]);
  });

  test('when an executor did not sign what was there before it', async () => {
    const { a, b } = createTeam();
    const first = await a.sign('Hello ');
    b.begin('Hello ');
    expect(await reasonOf([first, await b.sign('you', { prefixDigest: digestOf('') })])).toEqual([
      1,
      'prefix',
    ]);
  });

  test('when an executor takes the text of another one for its own', async () => {
    const { a, b } = createTeam();
    const first = a.say('Hello ', 7);
    b.begin('');
    b.say('Hello ', 7);
    expect(await reasonOf([first, await b.sign('you')])).toEqual([1, 'prefix']);
  });

  test('when an executor goes on counting where another one stopped', async () => {
    const { a, b } = createTeam();
    const first = await a.sign('Hello ');
    b.begin('Hello ');
    const lie = { index: 1, prefixDigest: digestOf(''), outboundTokens: 2 };
    expect(await reasonOf([first, await b.sign('you', lie)])).toEqual([1, 'index']);
  });

  test('when parts are left out, repeated or swapped', async () => {
    const { parts } = await failover();
    const [first, second, third] = parts as [AnswerPart, AnswerPart, AnswerPart];
    expect(await reasonOf(parts.slice(1))).toEqual([0, 'text']);
    expect(await reasonOf([first, second, second])).toEqual([2, 'text']);
    expect(await reasonOf([first, third, second])).toEqual([1, 'text']);
    expect(await reasonOf(parts.toSpliced(1, 1))).toEqual([1, 'text']);
  });

  test('when a signed part lost its signature and the next one does not follow', async () => {
    const { parts } = await failover();
    const { signed: _, ...unsigned } = parts[1] as AnswerPart;
    expect(await reasonOf(parts.with(1, unsigned))).toEqual([2, 'index']);
  });

  test.for<[string, Partial<AnswerSegment>, string]>([
    ['another request', { requestDigest: digestOf('another') }, 'request'],
    ['another text', { runningDigest: digestOf('another') }, 'text'],
    ['another number', { index: 5 }, 'index'],
    ['more tokens than it showed', { tokens: 9 }, 'tokens'],
    ['more tokens in all than it signed', { outboundTokens: 9 }, 'tokens'],
    ['a lower cost than before', { totalCost: '9' }, 'cost'],
    ['another prefix than before', { prefixDigest: digestOf('x') }, 'prefix'],
  ])('when an executor signs %s', async ([, lie, reason]) => {
    const { a } = createTeam();
    expect(await reasonOf([await a.sign('one '), await a.sign('two', lie)])).toEqual([1, reason]);
  });

  test('when an executor goes on after it said that it had finished', async () => {
    const { a } = createTeam();
    const parts = [await a.sign('one ', { finishReason: 'stop' }), await a.sign('two')];
    expect(await reasonOf(parts)).toEqual([1, 'afterEnd']);
  });

  test('when another executor signed a part', async () => {
    const { a, b } = createTeam();
    const part = await a.sign('Hi');
    const { signed } = await b.sign('Hi');
    expect(await reasonOf([{ ...part, ...(signed && { signed }) }])).toEqual([0, 'executor']);
    expect(await reasonOf([{ ...part, executor: 'nobody' }])).toEqual([0, 'executor']);
    expect(await reasonOf([{ ...part, executor: 7 as unknown as string }])).toEqual([0, 'executor']);
  });

  test('when a signature does not hold, and says why', async () => {
    const { a } = createTeam();
    const part = await a.sign('Hi');
    const signed = { ...part.signed, nonce: zeroDigest } as SignedMessage<AnswerSegment>;
    const error = await failureOf(() => verifyAnswer([{ ...part, signed }]));
    expect(IdentityError.is(error, 'WRONG_ANSWER') && error.data).toEqual({ part: 0, reason: 'signature' });
    expect(IdentityError.is((error as Error).cause, 'BAD_SIGNATURE')).toBe(true);
  });

  test('when a segment is shown that was not signed', async () => {
    const { a } = createTeam();
    const part = await a.sign('Hi');
    const payload = { ...part.signed?.payload, totalCost: '0' };
    const signed = { ...part.signed, payload } as SignedMessage<AnswerSegment>;
    expect(await reasonOf([{ ...part, signed }])).toEqual([0, 'signature']);
  });

  test('when it was signed on another chain, for another receiver or in another reply', async () => {
    const { a, client } = createTeam();
    const parts = [await a.sign('Hi', {}, { chainId: 5 })];
    expect(await reasonOf(parts)).toEqual([0, 'signature']);
    expect(await reasonOf(parts, { chainId: 5, audience: [client.evmAddress] })).toEqual([0, 'audience']);
    const { a: other } = createTeam();
    expect(await reasonOf([await other.sign('Hi', {}, { inReplyTo: digestOf('x') })])).toEqual([
      0,
      'request',
    ]);
  });

  test('when another payload stands where a segment belongs', async () => {
    const { client } = createTeam();
    const signed = (await client.sign({
      model: 'm',
      prompt: 'p',
    })) as unknown as SignedMessage<AnswerSegment>;
    const part = { executor: client.peerId, text: 'Hi', tokens: 1, signed };
    expect(await reasonOf([part])).toEqual([0, 'type']);
  });

  test.for<[string, Partial<Record<keyof AnswerPart, unknown>>, string]>([
    ['text that is none', { text: undefined }, 'text'],
    ['text with half a character', { text: '\ud800' }, 'text'],
    ['tokens below zero', { tokens: -1 }, 'tokens'],
    ['half a token', { tokens: 0.5 }, 'tokens'],
  ])('when it has %s', async ([, change, reason]) => {
    const { a } = createTeam();
    expect(await reasonOf([{ ...(await a.sign('Hi')), ...change } as AnswerPart])).toEqual([0, reason]);
  });

  test('with a configuration that has a misspelt field', async () => {
    expect(await codeOf(() => verifyAnswer([], { requestDigst: zeroDigest } as object))).toBe(
      'INVALID_CONFIG',
    );
  });
});

const moves = fc.array(
  fc.record({
    who: fc.nat({ max: 1 }),
    text: fc.string({ minLength: 1, maxLength: 6, unit: 'grapheme' }),
    signs: fc.boolean(),
  }),
  { maxLength: 12 },
);

test('any honest answer is proven in full, and none in which a signed part claims another token count', async () => {
  await fc.assert(
    fc.asyncProperty(moves, fc.nat(), fc.integer({ min: 1, max: 4 }), async (script, pick, extra) => {
      const { a, b } = createTeam();
      const team = [a, b];
      const parts: AnswerPart[] = [];
      let text = '';
      let last = -1;
      for (const move of script) {
        const executor = team[move.who] as Executor;
        if (move.who !== last) executor.begin(text);
        last = move.who;
        parts.push(move.signs ? await executor.sign(move.text) : executor.say(move.text));
        text += move.text;
      }
      const verified = await verifyAnswer(parts, { requestDigest });
      expect(verified.signedTokens + verified.unsignedTokens).toBe(parts.length);
      expect(verified.signedBytes + verified.unsignedBytes).toBe(Buffer.byteLength(text));
      expect(verified.shares.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(verified.signedTokens);
      const signedParts = parts.flatMap(({ signed }, index) => (signed === undefined ? [] : [index]));
      const target = signedParts[pick % Math.max(1, signedParts.length)];
      if (target === undefined) return;
      const changed = parts.map((part, index) =>
        index === target ? { ...part, tokens: part.tokens + extra } : part,
      );
      expect(await codeOf(() => verifyAnswer(changed, { requestDigest }))).toBe('WRONG_ANSWER');
    }),
    { numRuns: 150, seed: 40 },
  );
});
