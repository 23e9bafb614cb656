import { readFileSync } from 'node:fs';

import {
  decodeRequestFrame,
  decodeResponseFrame,
  encodeFrame,
  encodeRequestFrame,
  encodeResponseFrame,
  FrameDecoder,
  type Payload,
  type RequestFrame,
  type ResponseFrame,
  type SignedMessage,
} from '@lloom/codec';
import { fromHex, systemClock, toHex, type Clock, type EvmAddress, type Hex } from '@lloom/core';
import { Identity, verifySignedMessage } from '@lloom/identity';
import { describe, expect, test } from 'vitest';
import { resolveRpcConfig } from '../src/config.ts';
import type { Handler, LlmRequestMessage, Rpc } from '../src/index.ts';
import type { ByteStream, Network } from '../src/ports.ts';
import { RpcService } from '../src/rpc.ts';
import golden from './vectors/req-resp.json' with { type: 'json' };

type Party = keyof typeof golden.keys;

/** One party at one moment, with a chance that always says the same. */
function party(name: Party, at: { readonly timestampMs: number; readonly nonce: string }): Identity {
  const clock: Clock = { ...systemClock, now: () => at.timestampMs };
  const random = { bytes: (length: number) => fromHex(at.nonce).slice(0, length), float: () => 0 };
  return Identity.fromPrivateKey(golden.keys[name].privateKey, { clock, random });
}

async function signed(name: string): Promise<SignedMessage> {
  const vector = golden.envelopes.find((each) => each.name === name)!;
  const { timestampMs, expiresMs } = vector;
  return party(vector.signedBy as Party, vector).sign(vector.payload as Payload, {
    to: vector.to as EvmAddress,
    inReplyTo: vector.inReplyTo as Hex,
    ttlMs: expiresMs - timestampMs,
  });
}

const messages = new Map<string, SignedMessage>();
for (const { name } of golden.envelopes) messages.set(name, await signed(name));

/** A value of the vectors, with the signed messages where their names stand. */
function filled(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('envelope' in value) return messages.get(value.envelope as string);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, filled(part)]));
}

const requestOf = (value: unknown): RequestFrame => filled(value) as RequestFrame;
const answerOf = (value: unknown): ResponseFrame => filled(value) as ResponseFrame;

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
    const clock = { ...systemClock, now: () => vector.timestampMs };
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

/** Two services with nothing but two pipes between them. */
async function talk(
  handler: Handler,
): Promise<{ client: Rpc; there: Pipe; back: Pipe; pass: (ms: number) => void }> {
  const [question, response] = golden.envelopes;
  let nowMs = question!.timestampMs;
  const clock: Clock = { ...systemClock, now: () => nowMs };
  const [there, back] = [new Pipe(), new Pipe()];
  const create = (name: Party, nonce: string, network: Partial<Network>): RpcService => {
    const identity = party(name, { timestampMs: 0, nonce });
    const ports = {
      clock,
      signer: identity.signer({}, { clock }),
      verifier: identity.verifier({}, { clock }),
    };
    const nothing = async (): Promise<void> => {};
    const none = {
      peerId: identity.peerId,
      serve: nothing,
      unserve: nothing,
      flush: nothing,
      log: () => {},
    };
    const open = (): never => expect.unreachable('only the client opens streams');
    return new RpcService({ open, ...none, ...network }, resolveRpcConfig(), ports);
  };
  let accept: (() => void) | undefined;
  const executor = create('executor', response!.nonce, {
    serve: async (onStream) => {
      accept = () => onStream(streamOver(there, back), golden.keys.client.peerId);
    },
  });
  const client = create('client', question!.nonce, {
    open: async () => {
      accept?.();
      return streamOver(back, there);
    },
  });
  executor.serve(handler);
  await Promise.all([executor.start(), client.start()]);
  return { client, there, back, pass: (ms) => (nowMs += ms) };
}

test('a node that streams writes exactly these bytes, and so does the one that asks', async () => {
  const exchange = golden.exchanges.find(({ name }) => name === 'a streamed answer')!;
  const [question, response] = golden.envelopes;
  const { client, there, back, pass } = await talk(async function* () {
    yield 'Hi ';
    yield 'there!';
    yield { inboundTokens: 1, totalCost: '5' };
  });
  pass(response!.timestampMs - question!.timestampMs);
  const request = requestOf(exchange.request.frame).request as LlmRequestMessage;
  const answer = await client.stream(golden.keys.executor.peerId, request).result;
  expect(answer.content).toBe('Hi there!');
  expect(there.hex).toBe(exchange.request.bytes);
  expect(back.hex).toBe(`0x${exchange.answer.map(({ bytes }) => bytes.slice(2)).join('')}`);
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
  ]);
});
