import { readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';

import {
  decodeOpenHead,
  encodeAnswerChunk,
  encodeSessionFrame,
  sessionFrame,
  SessionDecoder,
  splitOpen,
} from '@lloom/codec';
import type { SessionFrame } from '@lloom/codec';
import { fromHex, toHex, type Hex } from '@lloom/core';
import { verifySignedMessage } from '@lloom/identity';
import { describe, expect, test } from 'vitest';
import { Refusal, type CustomProtocol, type LlmRequestMessage, type Rpc } from '../src/index.ts';
import { bytesFrom, bytesOf, frameOf, shownBytes, type FrameVector } from './vectors/conversations.ts';
import { clockAt, createIdentity, filled, signEnvelopes, type Party } from './vectors/parties.ts';
import reqResp from './vectors/req-resp.json' with { type: 'json' };
import golden from './vectors/rpc.json' with { type: 'json' };
import { startTalk, type Talk } from './vectors/talk.ts';
import type { Wire } from './vectors/wire.ts';

type Name = (typeof golden.conversations)[number]['name'];

const messages = await signEnvelopes(golden);
const framesOf = (name: Name): readonly FrameVector[] =>
  golden.conversations.find((each) => each.name === name)!.frames;

function readFrames(bytes: Hex): SessionFrame[] {
  const read: SessionFrame[] = [];
  const decoder = new SessionDecoder((frame) => read.push(frame));
  decoder.push(fromHex(bytes));
  decoder.end();
  return read;
}

/** When and how much a reader grants may depend on how bytes arrive. */
function withoutGrants(bytes: Hex): Hex[] {
  const frames = readFrames(bytes).filter(({ kind }) => kind !== sessionFrame.credit);
  return frames.map((frame) => toHex(encodeSessionFrame(frame)));
}

describe.each(golden.envelopes)('the envelope "$name"', (vector) => {
  test('has the golden bytes and signature, and proves who signed it', async () => {
    const message = messages.get(vector.name)!;
    const { payloadBytes, payloadDigest, signature, nonce, to, inReplyTo } = vector;
    const clock = clockAt(vector.timestampMs);
    const verifier = createIdentity(golden, 'client', { clock, nonces: [nonce] }).verifier();
    expect(message.payloadBytes).toEqual(fromHex(payloadBytes));
    expect(verifier.digest(message.payloadBytes)).toBe(payloadDigest);
    expect(message).toMatchObject({ signature, nonce, to, inReplyTo });
    const { signer } = await verifySignedMessage(message, { clock, audience: [message.to] });
    expect(signer).toBe(golden.keys[vector.signedBy as Party].evmAddress);
  });
});

test('parties, question and answer are those of the other protocol', () => {
  expect(golden.keys).toEqual(reqResp.keys);
  const shared = reqResp.envelopes.filter(({ name }) => ['request', 'segment'].includes(name));
  expect(shared).toHaveLength(2);
  expect(golden.envelopes).toEqual(expect.arrayContaining(shared));
});

describe.each(golden.conversations)('the conversation "$name"', ({ name, frames }) => {
  test('has frames of the golden bytes', () => {
    for (const vector of frames as readonly FrameVector[])
      expect(shownBytes(frameOf(vector, messages), vector)).toBe(vector.bytes);
  });

  test.each(['client', 'executor'] as const)('reads back as the frames of the %s', (party) => {
    const read = readFrames(bytesFrom(party, frames));
    const own = (frames as readonly FrameVector[]).filter(({ from }) => from === party);
    expect(read.map((frame) => encodeSessionFrame(frame))).toEqual(
      own.map((vector) => encodeSessionFrame(frameOf(vector, messages))),
    );
    const heads = read
      .filter(({ kind }) => kind === sessionFrame.open)
      .map(({ payload }) => decodeOpenHead(splitOpen(payload).head));
    expect(heads).toEqual(own.flatMap(({ head = [] }) => head));
  });

  test('is what two nodes say to one another', async () => {
    const talk = await startTalk(golden);
    await scripts[name as Name]!(talk);
    const [[here, there]] = talk.sessions as [[Wire, Wire]];
    expect([here.failure, there.failure]).toEqual([undefined, undefined]);
    expect(here.hex).toBe(bytesFrom('client', frames));
    expect(there.hex).toBe(bytesFrom('executor', frames));
    expectNothingLeft(talk);
  });

  test('is the same but for grants when bytes arrive seven at a time', async () => {
    const talk = await startTalk(golden, { partBytes: 7 });
    await scripts[name as Name]!(talk);
    const [[here, there]] = talk.sessions as [[Wire, Wire]];
    expect(withoutGrants(here.hex)).toEqual(withoutGrants(bytesFrom('client', frames)));
    expect(withoutGrants(there.hex)).toEqual(withoutGrants(bytesFrom('executor', frames)));
    expectNothingLeft(talk);
  });
});

const { peerId } = golden.keys.executor;
const question = filled(framesOf('a streamed answer')[0]!.request, messages) as LlmRequestMessage;
const ping = (client: Rpc): Promise<unknown> =>
  client.request(peerId, { type: 'ping' }, { timeoutMs: 5_000 });

const textCodec = {
  encode: (text: string) => new TextEncoder().encode(text),
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

const reverse: CustomProtocol<string, string> = {
  protocolName: '/demo/reverse/1.0.0',
  request: textCodec,
  response: textCodec,
  handleRequest: (_, text) => Array.from(text).toReversed().join(''),
};

const length: CustomProtocol<string, string> = {
  ...reverse,
  protocolName: '/demo/length/1.0.0',
  handleRequest: (_, text) => String(text.length),
};

/** How two nodes come to say what the conversations show. */
const scripts: Readonly<Record<Name, (talk: Talk) => Promise<void>>> = {
  'a ping': async ({ client }) => {
    expect(await ping(client)).toEqual({ type: 'pong' });
  },
  'a streamed answer': async ({ client, executor, clock }) => {
    executor.serve(async function* () {
      yield 'Hi ';
      yield 'there!';
      yield { inboundTokens: 1, totalCost: '5' };
    });
    await clock.runFor(1_000);
    const answer = await client.stream(peerId, question).result;
    expect(answer).toMatchObject({ content: 'Hi there!', outboundTokens: 2, totalCost: '5' });
  },
  'an answer that is signed on the way': async ({ client, executor, clock }) => {
    const isSilent = Promise.withResolvers<void>();
    executor.serve(async function* () {
      yield { inboundTokens: 1, totalCost: '3' };
      yield 'Hi ';
      const silence = new Promise<void>((resolve) => void clock.setTimeout(() => resolve(), 1_000));
      isSilent.resolve();
      await silence;
      yield 'there!';
      yield { totalCost: '5' };
    });
    const { result } = client.stream(peerId, question);
    await isSilent.promise;
    await clock.runFor(1_000);
    expect((await result).parts).toMatchObject([
      { text: 'Hi ', signed: { payload: { totalCost: '3' } } },
      { text: 'there!', signed: { payload: { totalCost: '5' } } },
    ]);
  },
  'a custom protocol': async ({ client, executor }) => {
    await executor.addProtocol(reverse);
    expect(await client.callProtocol(peerId, reverse, 'Hello')).toBe('olleH');
  },
  'a large request': async ({ client, executor }) => {
    await executor.addProtocol(length);
    expect(await client.callProtocol(peerId, length, 'a'.repeat(300_000))).toBe('300000');
  },
  'a refusal': async ({ client, executor }) => {
    executor.serve(() => {
      throw new Refusal('BUSY', 'all 4 slots are taken', { retryAfterMs: 1_000, queueDepth: 0 });
    });
    await expect(client.stream(peerId, question).result).rejects.toMatchObject({
      code: 'BUSY',
      data: { retryAfterMs: 1_000, queueDepth: 0 },
    });
  },
  'a cancel': async ({ client, executor }) => {
    const isGone = Promise.withResolvers<void>();
    executor.serve(async function* (_request, { signal }) {
      signal.addEventListener('abort', () => isGone.resolve());
      yield 'Hi ';
      await isGone.promise;
    });
    const controller = new AbortController();
    const answer = client.stream(peerId, question, { signal: controller.signal });
    for await (const { text } of answer) {
      expect(text).toBe('Hi ');
      break;
    }
    await expect(answer.result).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await ping(client)).toEqual({ type: 'pong' });
    await isGone.promise;
  },
};

/** Lets everything happen that is going to happen without time passing. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await turn();
}

function expectNothingLeft({ client, executor, clock }: Talk): void {
  expect([executor.activeInbound, client.pendingRequests()]).toEqual([0, []]);
  expect(clock.pending).toBe(0);
}

const by = (party: Party) => (each: { readonly by: string }) => each.by === party;
const openPing = framesOf('a ping')[0]!;
const pong = encodeSessionFrame(frameOf(framesOf('a ping')[1]!, messages));

describe('what a client writes', () => {
  test.each(golden.mistakes.filter(by('client')))(
    'breaks rule $rule and the session: $what',
    async (mistake) => {
      const talk = await startTalk(golden);
      const [here, there] = talk.open();
      here.raw().write([bytesOf(mistake)]);
      await settle();
      expect(there.failure).toBeInstanceOf(Error);
      expect(await ping(talk.client)).toEqual({ type: 'pong' });
      expectNothingLeft(talk);
    },
  );

  test.each(golden.harmless.filter(by('client')))('breaks nothing: $what', async (vector) => {
    const talk = await startTalk(golden);
    const [here, there] = talk.open();
    const written: SessionFrame[] = [];
    const decoder = new SessionDecoder((frame) => written.push(frame));
    here.raw((bytes) => decoder.push(bytes));
    here.write([bytesOf(vector), encodeSessionFrame({ ...frameOf(openPing, messages), id: 100 })]);
    await settle();
    expect(there.failure).toBeUndefined();
    expect(written).toContainEqual(expect.objectContaining({ kind: sessionFrame.end, id: 100 }));
    expectNothingLeft(talk);
  });
});

describe('what an executor writes', () => {
  /** The first session of the client is answered with these bytes, every other one by the executor. */
  const answeredWith = (...parts: Uint8Array[]): Promise<Talk> => {
    let isFirst = true;
    return startTalk(golden, {
      onSession: (there) => {
        if (isFirst) there.raw(() => there.write(parts));
        const isTaken = isFirst;
        isFirst = false;
        return isTaken;
      },
    });
  };

  test.each(golden.mistakes.filter(by('executor')))(
    'breaks rule $rule and the session: $what',
    async (mistake) => {
      const talk = await answeredWith(bytesOf(mistake));
      await expect(ping(talk.client)).rejects.toMatchObject({
        code: 'CONNECTION_CLOSED',
        data: { outcome: 'unknown' },
      });
      expect(talk.sessions[0]?.[0].failure).toBeInstanceOf(Error);
      expect(await ping(talk.client)).toEqual({ type: 'pong' });
      expectNothingLeft(talk);
    },
  );

  /** Chunks of the largest size, which nobody reads, and one more of so many bytes. */
  const chunks = (lastBytes: number): Uint8Array[] =>
    [65_536, 65_536, 65_536, 65_536, lastBytes].slice(0, lastBytes === 0 ? 4 : 5).map((size, sequence) => {
      const chunk = (text: string): Uint8Array =>
        encodeAnswerChunk({ type: 'chunk', sequence, text, tokens: 1 });
      const around = size < 128 ? chunk('a').length - 1 : chunk('a'.repeat(65_000)).length - 65_000;
      const payload = chunk('a'.repeat(size - around));
      return encodeSessionFrame({ kind: sessionFrame.body, id: 1, more: false, payload });
    });

  test('may use all its credit while nobody reads', async () => {
    const talk = await answeredWith(...chunks(0));
    const controller = new AbortController();
    const answer = talk.client.stream(peerId, question, { signal: controller.signal });
    await settle();
    expect(talk.sessions[0]?.[0].failure).toBeUndefined();
    controller.abort();
    await expect(answer.result).rejects.toMatchObject({ code: 'CANCELLED' });
    expectNothingLeft(talk);
  });

  test('breaks rule 13 and the session: a chunk beyond its credit', async () => {
    const talk = await answeredWith(...chunks(10));
    const answer = talk.client.stream(peerId, question);
    await settle();
    expect(talk.sessions[0]?.[0].failure).toBeInstanceOf(Error);
    await expect(answer.result).rejects.toMatchObject({
      code: 'CONNECTION_CLOSED',
      data: { outcome: 'unknown' },
    });
    expectNothingLeft(talk);
  });

  test.each(golden.harmless.filter(by('executor')))('breaks nothing: $what', async (vector) => {
    const talk = await answeredWith(bytesOf(vector), pong);
    expect(await ping(talk.client)).toEqual({ type: 'pong' });
    expect(talk.sessions[0]?.[0].failure).toBeUndefined();
    expectNothingLeft(talk);
  });
});

test('the page of the protocol shows these bytes and no others', () => {
  const page = readFileSync(new URL('../../../docs/protocol/rpc.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/^```text\n(?<block>.*?)^```$/gms)].map(
    (match) => match.groups?.['block'] ?? '',
  );
  const shown = blocks.map((block) => block.replaceAll(/;.*$/gm, '').replaceAll(/\s/g, ''));
  // Many bytes that are the same stand there once, with their number.
  const shownOf = (name: Name): string[] =>
    framesOf(name).map(({ bytes, fill }) => bytes.slice(2) + (fill === undefined ? '' : `61*${fill}`));
  expect(shown.join('')).toBe(
    [
      ...shownOf('a ping'),
      ...shownOf('a streamed answer'),
      ...shownOf('a custom protocol'),
      ...shownOf('a large request'),
      ...shownOf('a refusal').slice(1),
      ...shownOf('a cancel').slice(2),
    ].join(''),
  );
});
