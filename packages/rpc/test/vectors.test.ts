import { readFileSync } from 'node:fs';

import {
  decodeRequestFrame,
  decodeResponseFrame,
  encodeFrame,
  encodeRequestFrame,
  encodeResponseFrame,
  FrameDecoder,
  type RequestFrame,
  type ResponseFrame,
} from '@lloom/codec';
import { fromHex, toHex, type EvmAddress, type Hex } from '@lloom/core';
import { verifySignedMessage, type Identity } from '@lloom/identity';
import type { VirtualClock } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import type { Handler, LlmRequestMessage, Rpc } from '../src/index.ts';
import type { ByteStream } from '../src/ports.ts';
import {
  clockAt,
  createIdentity,
  filled,
  signEnvelopes,
  type EnvelopeVector,
  type Party,
} from './vectors/parties.ts';
import golden from './vectors/req-resp.json' with { type: 'json' };
import { createService } from './vectors/talk.ts';

const messages = await signEnvelopes(golden);

const requestOf = (value: unknown): RequestFrame => filled(value, messages) as RequestFrame;
const answerOf = (value: unknown): ResponseFrame => filled(value, messages) as ResponseFrame;

/** One party at one moment. */
function party(name: Party, { timestampMs, nonce }: EnvelopeVector): Identity {
  return createIdentity(golden, name, { clock: clockAt(timestampMs), nonces: [nonce] });
}

const bodiesIn = (bytes: string): Uint8Array[] => [...new FrameDecoder().push(fromHex(bytes))];

describe.each(golden.envelopes)('the envelope "$name"', (vector) => {
  const message = messages.get(vector.name)!;

  test('has the golden bytes and signature', () => {
    const { payloadBytes, payloadDigest, signature, nonce, to, inReplyTo } = vector;
    expect(toHex(message.payloadBytes)).toBe(payloadBytes);
    expect(party('client', vector).verifier().digest(message.payloadBytes)).toBe(payloadDigest);
    expect(message).toMatchObject({ signature, nonce, to, inReplyTo });
  });

  test('proves who signed it', async () => {
    const clock = clockAt(vector.timestampMs);
    const { signer } = await verifySignedMessage(message, { clock, audience: [vector.to as EvmAddress] });
    expect(signer).toBe(golden.keys[vector.signedBy as Party].evmAddress);
  });
});

describe.each(golden.exchanges)('the exchange "$name"', ({ request, answer }) => {
  test('has a request of the golden bytes, which read back as the same', () => {
    const frame = requestOf(request.frame);
    expect(toHex(encodeFrame(encodeRequestFrame(frame)))).toBe(request.bytes);
    expect(bodiesIn(request.bytes).map(decodeRequestFrame)).toEqual([frame]);
  });

  test('has an answer of the golden bytes, which read back as the same', () => {
    for (const { frame: written, bytes } of answer) {
      const frame = answerOf(written);
      expect(toHex(encodeFrame(encodeResponseFrame(frame)))).toBe(bytes);
      expect(bodiesIn(bytes).map(decodeResponseFrame)).toEqual([frame]);
    }
  });
});

test('each party is the one that its key names', () => {
  for (const [name, { evmAddress, peerId }] of Object.entries(golden.keys)) {
    expect(party(name as Party, golden.envelopes[0]!)).toMatchObject({ evmAddress, peerId });
  }
});

/** What one side writes, for the other to read. */
class Pipe {
  readonly written: Uint8Array[] = [];
  readonly ended = Promise.withResolvers<void>();
  readonly #queue: (Uint8Array | undefined)[] = [];
  #wake: (() => void) | undefined;

  put(bytes: Uint8Array | undefined): void {
    if (bytes !== undefined) this.written.push(bytes);
    else this.ended.resolve();
    this.#queue.push(bytes);
    this.#wake?.();
  }

  async take(): Promise<Uint8Array | undefined> {
    while (this.#queue.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#queue.shift();
  }

  get hex(): Hex {
    return toHex(Buffer.concat(this.written));
  }
}

function streamOver(reads: Pipe, writes: Pipe): ByteStream {
  return {
    read: () => reads.take(),
    write: (bytes) => Promise.resolve(writes.put(bytes)),
    closeWrite: () => Promise.resolve(writes.put(undefined)),
    abort: () => undefined,
    closed: Promise.all([reads.ended.promise, writes.ended.promise]).then(() => undefined),
  };
}

/** Two services that speak no sessions, with nothing but two pipes between them. */
async function talk(
  handler: Handler,
): Promise<{ client: Rpc; there: Pipe; back: Pipe; clock: VirtualClock }> {
  const [question, response] = golden.envelopes;
  const clock = clockAt(question!.timestampMs);
  const [there, back] = [new Pipe(), new Pipe()];
  let accept: (() => void) | undefined;
  const executor = createService(golden, 'executor', {
    clock,
    nonces: [response!.nonce],
    serve: async ({ onStream }) => {
      accept = () => onStream(streamOver(there, back), golden.keys.client.peerId);
    },
  });
  const client = createService(golden, 'client', {
    clock,
    nonces: [question!.nonce],
    open: async () => {
      accept?.();
      return streamOver(back, there);
    },
  });
  executor.serve(handler);
  await Promise.all([executor.start(), client.start()]);
  return { client, there, back, clock };
}

test('a node that streams writes exactly these bytes, and so does the one that asks', async () => {
  const exchange = golden.exchanges.find(({ name }) => name === 'a streamed answer')!;
  const [question, response] = golden.envelopes;
  const { client, there, back, clock } = await talk(async function* () {
    yield 'Hi ';
    yield 'there!';
    yield { inboundTokens: 1, totalCost: '5' };
  });
  await clock.runFor(response!.timestampMs - question!.timestampMs);
  const request = requestOf(exchange.request.frame).request as LlmRequestMessage;
  const answer = await client.stream(golden.keys.executor.peerId, request).result;
  expect(answer.content).toBe('Hi there!');
  expect(there.hex).toBe(exchange.request.bytes);
  expect(back.hex).toBe(`0x${exchange.answer.map(({ bytes }) => bytes.slice(2)).join('')}`);
});

test('a node that goes on with what another one began writes exactly these bytes', async () => {
  const { request, answer } = golden.exchanges.find(({ name }) => name === 'a continuation')!;
  const [question, segment] = golden.envelopes.filter(({ name }) => name.startsWith('continued'));
  const clock = clockAt(question!.timestampMs);
  const [there, back] = [new Pipe(), new Pipe()];
  let accept: (() => void) | undefined;
  const executor = createService(golden, 'executor', {
    clock,
    nonces: [segment!.nonce],
    serve: async ({ onStream }) => {
      accept = () => onStream(streamOver(there, back), golden.keys.client.peerId);
    },
  });
  let prefix: unknown;
  const goOn: Handler = async function* (_request, context) {
    prefix = context.prefix;
    yield 'there!';
    yield { inboundTokens: 2, totalCost: '4' };
  };
  executor.serve(goOn, { canContinue: true });
  await executor.start();
  await clock.runFor(segment!.timestampMs - question!.timestampMs);
  accept?.();
  there.put(fromHex(request.bytes));
  there.put(undefined);
  await back.ended.promise;
  expect(prefix).toEqual(request.frame.request.prefix);
  expect(back.hex).toBe(`0x${answer.map(({ bytes }) => bytes.slice(2)).join('')}`);
});

test('the page of the protocol shows these bytes and no others', () => {
  const page = readFileSync(new URL('../../../docs/protocol/req-resp.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/^```text\n(?<block>.*?)^```$/gms)].map(
    (match) => match.groups?.['block'] ?? '',
  );
  const shown = blocks.map((block) => `0x${block.replaceAll(/;.*$/gm, '').replaceAll(/\s/g, '')}`);
  const bytesOf = (name: string): string[] => {
    const { request, answer } = golden.exchanges.find((each) => each.name === name)!;
    return [request.bytes, ...answer.map(({ bytes }) => bytes)];
  };
  expect(shown).toEqual([
    ...bytesOf('ping'),
    ...bytesOf('a streamed answer'),
    ...bytesOf('a refusal').slice(1),
    ...bytesOf('a continuation'),
  ]);
});
