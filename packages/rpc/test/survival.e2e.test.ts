import type { Stream } from '@libp2p/interface';
import {
  encodeFrame,
  encodePayload,
  encodeRequestFrame,
  encodeResponseFrame,
  decodeResponseFrame,
  FrameDecoder,
  openEnvelope,
  type ResponseFrame,
  type LlmResponse,
  type SignedMessage,
  type LlmRequest,
  decodeRequestFrame,
} from '@lloom/codec';
import { toPeerId } from '@lloom/core';
import { Identity } from '@lloom/identity';
import { expect, test, vi } from 'vitest';
import type { RpcConfig } from '../src/index.ts';
import { createBareNode, createNode, failure, introduce, protocol, question } from './nodes.ts';

/** A client, and a peer that does with each stream what a test wants. */
async function against(misbehave: Misbehaviour, config: RpcConfig = {}) {
  const [bad, asker] = await Promise.all([createBareNode(), createNode(config)]);
  await bad.node.handle(protocol, misbehave);
  await introduce(asker, bad);
  return { bad, asker };
}

const pong = encodeFrame(encodeResponseFrame({ type: 'end', response: { type: 'pong' } }));

test('a peer that is not there ends in DIAL_FAILED, with the reason and nothing sent', async () => {
  const [gone, asker] = await Promise.all([createBareNode(), createNode()]);
  await introduce(asker, gone);
  await gone.node.stop();
  const error = await failure(asker.rpc.request(gone.peerId, { type: 'ping' }));
  expect(error).toMatchObject({
    code: 'DIAL_FAILED',
    retryable: true,
    data: { reason: expect.stringMatching(/REFUSED/i) },
  });
});

test('a peer that nobody knows ends in DIAL_FAILED', async () => {
  const asker = await createNode();
  const error = await failure(asker.rpc.request(Identity.generate().peerId, { type: 'ping' }));
  expect(error).toMatchObject({ code: 'DIAL_FAILED' });
});

test('another peer at the address ends in DIAL_FAILED', async () => {
  const [other, asker] = await Promise.all([createNode(), createNode()]);
  const wanted = Identity.generate();
  const multiaddrs = other.node.getMultiaddrs().map((address) => address.decapsulate('/p2p'));
  await asker.node.peerStore.merge(toPeerId(wanted.peerId), { multiaddrs });
  const error = await failure(asker.rpc.request(wanted.peerId, { type: 'ping' }));
  expect(error).toMatchObject({ code: 'DIAL_FAILED' });
  await expect(failure(asker.rpc.request('not a peer id', { type: 'ping' }))).resolves.toMatchObject({
    name: 'AddressError',
    code: 'INVALID_PEER_ID',
  });
});

test('a peer without the protocol ends in UNSUPPORTED_PROTOCOL', async () => {
  const [bare, asker] = await Promise.all([createBareNode(), createNode()]);
  await introduce(asker, bare);
  expect(await failure(asker.rpc.request(bare.peerId, { type: 'ping' }))).toMatchObject({
    code: 'UNSUPPORTED_PROTOCOL',
    data: { protocol },
  });
});

test.each<[string, Misbehaviour, string]>([
  ['resets at once', (stream) => stream.abort(new Error('no')), 'CONNECTION_CLOSED'],
  ['throws in its handler', () => Promise.reject(new Error('no')), 'CONNECTION_CLOSED'],
  ['ends its side without an answer', (stream) => stream.close(), 'OMITTED'],
  ['answers garbage', says(new Uint8Array(200).fill(0x41)), 'INVALID_RESPONSE'],
  ['answers a frame of garbage', says(encodeFrame(new Uint8Array(8).fill(0xff))), 'INVALID_RESPONSE'],
  ['announces a frame beyond the limit', says(new Uint8Array([0xff, 0xff, 0xff, 0x7f])), 'TOO_LARGE'],
  ['ends in the middle of a frame', saysAndEnds(pong.subarray(0, 3)), 'INVALID_RESPONSE'],
  ['resets in the middle of a frame', saysAndResets(pong.subarray(0, 3)), 'CONNECTION_CLOSED'],
  [
    'answers another kind of request',
    says(frame({ type: 'chunk', sequence: 0, text: 'x', tokens: 1 })),
    'INVALID_RESPONSE',
  ],
  [
    'says a code that nobody knows',
    says(frame({ type: 'error', code: 'TEAPOT', message: 'x'.repeat(999) })),
    'REMOTE',
  ],
  ['answers nothing', () => undefined, 'TIMEOUT'],
  ['answers one byte and no more', says(pong.subarray(0, 1)), 'TIMEOUT'],
])('a peer that %s ends in one typed error, and the node lives', async (_name, misbehave, code) => {
  const { bad, asker } = await against(misbehave, { timeoutMs: 400 });
  const failures: string[] = [];
  asker.rpc.addEventListener('request:failed', ({ detail }) => failures.push(detail.error.code));
  const error = await failure(asker.rpc.request(bad.peerId, { type: 'ping' }));
  expect(error).toMatchObject({ name: 'RpcError', code });
  expect(failures).toEqual([code]);
  expect(asker.rpc.pendingRequests()).toEqual([]);
  const honest = await createNode();
  await introduce(asker, honest);
  await expect(asker.rpc.request(honest.peerId, { type: 'ping' }, { timeoutMs: 10_000 })).resolves.toEqual({
    type: 'pong',
  });
});

test('a timeout says how far the request had come and how long it waited', async () => {
  const { bad, asker } = await against(() => undefined);
  const error = await failure(asker.rpc.request(bad.peerId, { type: 'ping' }, { timeoutMs: 300 }));
  expect(error).toMatchObject({ code: 'TIMEOUT', data: { stage: 'awaiting', limitMs: 300 } });
});

test('of a peer that answers twice the first answer counts, and its stream is ended', async () => {
  const closed = Promise.withResolvers<void>();
  const { bad, asker } = await against((stream) => {
    stream.addEventListener('close', () => closed.resolve());
    stream.send(Buffer.concat([pong, frame({ type: 'error', code: 'REMOTE', message: 'second' })]));
    void stream.close();
  });
  await expect(asker.rpc.request(bad.peerId, { type: 'ping' })).resolves.toEqual({ type: 'pong' });
  await closed.promise;
});

test('text that a peer sends after its proven end is shown to nobody', async () => {
  const { bad, asker } = await against(async (stream) => {
    const request = await readOneRequest(stream);
    const requestDigest = bad.identity.verifier().digest(request.payloadBytes);
    const payload = { content: 'proven', ...totals, requestDigest };
    const response = await bad.identity.sign(payload, { to: request.signer, inReplyTo: requestDigest });
    const end = frame({ type: 'end', response: { type: 'llmResponse', response } });
    stream.send(Buffer.concat([end, frame({ type: 'chunk', sequence: 0, text: ' and more', tokens: 1 })]));
  });
  const answer = asker.rpc.stream(bad.peerId, await question(asker.identity, bad.identity));
  expect((await answer.result).content).toBe('proven');
  const texts: string[] = [];
  for await (const { text } of answer) texts.push(text);
  expect(texts).toEqual(['proven']);
});

test('a peer that has answered and never closes does not keep a stream open', async () => {
  const closed = Promise.withResolvers<void>();
  const { bad, asker } = await against((stream) => {
    stream.addEventListener('close', () => closed.resolve());
    stream.send(pong);
  });
  await expect(asker.rpc.request(bad.peerId, { type: 'ping' })).resolves.toEqual({ type: 'pong' });
  await closed.promise;
});

test('a refusal that comes before the request is sent is what the client learns', async () => {
  const { bad, asker } = await against((stream) => {
    stream.pause();
    stream.send(frame({ type: 'error', code: 'TOO_LARGE', message: 'no', reason: 'request' }));
    void stream.close();
  });
  const message = await question(asker.identity, bad.identity, { prompt: 'x'.repeat(4_000_000) });
  const error = await failure(asker.rpc.request(bad.peerId, message));
  expect(error).toMatchObject({ code: 'TOO_LARGE', data: { what: 'request', by: 'the peer' } });
});

/** A node, and a stream to it that a test writes raw bytes on. */
async function attack(config: RpcConfig = {}) {
  const [victim, attacker] = await Promise.all([createNode(config), createBareNode()]);
  await introduce(attacker, victim);
  const stream = await attacker.node.dialProtocol(victim.node.peerId, protocol);
  return { victim, attacker, stream, answer: () => readFrames(stream) };
}

test.each<[string, Misbehaviour, string]>([
  ['declares ten MiB and a byte', says(new Uint8Array([0x81, 0x80, 0x80, 0x05])), 'TOO_LARGE'],
  ['sends garbage', says(new Uint8Array(64).fill(0xff)), 'INVALID_REQUEST'],
  ['sends a frame of garbage', says(encodeFrame(new Uint8Array(9).fill(0xff))), 'INVALID_REQUEST'],
  ['sends an empty frame', says(new Uint8Array([0])), 'INVALID_REQUEST'],
  [
    'sends a kind of request from the future',
    says(encodeFrame(new Uint8Array([8, 1, 0x3a, 3, 0x7a, 1, 1]))),
    'UNSUPPORTED_MESSAGE',
  ],
  ['ends its side in the middle of a frame', saysAndEnds(new Uint8Array([0x20, 1, 2])), 'INVALID_REQUEST'],
  ['ends its side at once', (stream) => stream.close(), 'INVALID_REQUEST'],
  ['sends one byte and waits', says(new Uint8Array([0x20])), 'INVALID_REQUEST'],
  ['sends nothing', () => undefined, 'INVALID_REQUEST'],
])('a client that %s is told so, and the node lives', async (_name, misbehave, code) => {
  const { victim, attacker, stream, answer } = await attack({ requestReadTimeoutMs: 300 });
  const answered = answer();
  await misbehave(stream);
  expect(await answered).toMatchObject([{ type: 'error', code }]);
  const honest = await createNode();
  await introduce(honest, victim);
  await expect(honest.rpc.request(victim.peerId, { type: 'ping' })).resolves.toEqual({ type: 'pong' });
  await attacker.node.stop();
  await vi.waitFor(() => expect(victim.rpc.activeInbound).toBe(0));
});

test('sixty-four clients that send a byte now and then are all ended by the deadline, in bounded memory', async () => {
  const [victim, attacker] = await Promise.all([
    createNode({ requestReadTimeoutMs: 500, maxInboundRequestsPerPeer: 64 }),
    createBareNode(),
  ]);
  await introduce(attacker, victim);
  // The first stream shows that the victim is ready for more.
  (await attacker.node.dialProtocol(victim.node.peerId, protocol)).abort(new Error('enough'));
  const before = process.memoryUsage().arrayBuffers;
  const streams = await Promise.all(
    Array.from({ length: 64 }, () =>
      attacker.node.dialProtocol(victim.node.peerId, protocol, { maxOutboundStreams: 100 }),
    ),
  );
  const answers = streams.map((stream) => readFrames(stream));
  // A frame of ten MiB is announced; two bytes of it come.
  for (const stream of streams) stream.send(new Uint8Array([0x80, 0x80, 0x80, 0x05, 1, 2]));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
  for (const answer of await Promise.all(answers))
    expect(answer).toMatchObject([{ code: 'INVALID_REQUEST' }]);
});

test('large requests that never end take bounded memory, and others are told BUSY', async () => {
  const { victim, stream, attacker } = await attack({ maxUnverifiedBytes: 1_000_000 });
  stream.send(new Uint8Array([0x80, 0x80, 0x80, 0x05]));
  stream.send(new Uint8Array(999_000));
  const answers: ResponseFrame[][] = [];
  await vi.waitFor(async () => {
    const more = await attacker.node.dialProtocol(victim.node.peerId, protocol);
    const answer = readFrames(more);
    more.send(encodeFrame(new Uint8Array(20_000)));
    answers.push(await answer);
    more.abort(new Error('enough'));
    expect(answers.at(-1)).toMatchObject([{ type: 'error', code: 'BUSY' }]);
  });
  stream.abort(new Error('enough'));
  await vi.waitFor(() => expect(victim.rpc.activeInbound).toBe(0));
});

test('a client that resets ends the handler and nothing else', async () => {
  const aborted = Promise.withResolvers<void>();
  const handling = Promise.withResolvers<void>();
  const { victim, attacker, stream } = await attack();
  victim.rpc.serve(async (_request, { signal }) => {
    signal.addEventListener('abort', () => aborted.resolve());
    handling.resolve();
    await aborted.promise;
  });
  const message = await question(attacker.identity, victim.identity);
  stream.send(encodeFrame(encodeRequestFrame({ stream: false, metadata: {}, request: message })));
  await handling.promise;
  stream.abort(new Error('gone'));
  await aborted.promise;
  await vi.waitFor(() => expect(victim.rpc.activeInbound).toBe(0));
});

test('a request that arrived whole before anybody read it is answered', async () => {
  const { victim, stream, answer } = await attack();
  victim.rpc.serve(() => undefined);
  stream.send(encodeFrame(encodeRequestFrame({ stream: false, metadata: {}, request: { type: 'ping' } })));
  await stream.close();
  expect(await answer()).toEqual([{ type: 'end', response: { type: 'pong' } }]);
});

test.each<
  [string, (honest: SignedMessage<LlmRequest>, other: Identity) => Promise<SignedMessage<LlmRequest>>, string]
>([
  [
    'changed after signing',
    async (honest) => ({ ...honest, payloadBytes: changed(honest.payloadBytes) }),
    'BAD_SIGNATURE',
  ],
  [
    'signed for another executor',
    async (honest, other) => other.sign(honest.payload, { to: Identity.generate().evmAddress }),
    'WRONG_AUDIENCE',
  ],
  ['stamped anew', async (honest) => ({ ...honest, timestampMs: honest.timestampMs + 1 }), 'BAD_SIGNATURE'],
])('a request that is %s is refused before its handler sees it', async (_name, tamper, reason) => {
  let served = 0;
  const [executor, asker] = await Promise.all([createNode({ serve: () => void served++ }), createBareNode()]);
  await introduce(asker, executor);
  const { request } = await question(asker.identity, executor.identity);
  const message = { type: 'llmRequest', request: await tamper(request, asker.identity) } as const;
  const stream = await asker.node.dialProtocol(executor.node.peerId, protocol);
  const answer = readFrames(stream);
  stream.send(encodeFrame(encodeRequestFrame({ stream: false, metadata: {}, request: message })));
  const [refusal] = await answer;
  expect(refusal).toMatchObject({ type: 'error', code: 'SIGNATURE_REFUSED' });
  expect([reason, 'WRONG_SIGNER']).toContain((refusal as { reason: string }).reason);
  expect(served).toBe(0);
});

test('a request that is sent again is refused as replayed', async () => {
  const [executor, asker] = await Promise.all([
    createNode({ serve: (_request, { channel }) => channel.fail('once') }),
    createNode(),
  ]);
  await introduce(asker, executor);
  const message = await question(asker.identity, executor.identity);
  expect(await failure(asker.rpc.request(executor.peerId, message))).toMatchObject({ code: 'REMOTE' });
  expect(await failure(asker.rpc.request(executor.peerId, message))).toMatchObject({
    code: 'SIGNATURE_REFUSED',
    data: { reason: 'REPLAYED' },
  });
});

const totals = { finishReason: 'stop', inboundTokens: 1, outboundTokens: 1, totalCost: '5', modelUsed: 'm' };

test.each<
  [
    string,
    (
      request: SignedMessage<LlmRequest>,
      bad: Identity,
      honest: LlmResponse,
    ) => Promise<SignedMessage<LlmResponse>>,
  ]
>([
  [
    'signed by somebody else',
    (request, _bad, honest) =>
      Identity.generate().sign(honest, { to: request.signer, inReplyTo: honest.requestDigest }),
  ],
  [
    'an answer to another request',
    (request, bad, honest) =>
      bad.sign(
        { ...honest, requestDigest: `0x${'12'.repeat(32)}` },
        { to: request.signer, inReplyTo: honest.requestDigest },
      ),
  ],
  [
    'signed for another client',
    (_request, bad, honest) =>
      bad.sign(honest, { to: Identity.generate().evmAddress, inReplyTo: honest.requestDigest }),
  ],
  [
    'changed after signing',
    async (request, bad, honest) => {
      const signed = await bad.sign(honest, { to: request.signer, inReplyTo: honest.requestDigest });
      return openEnvelope('LlmResponse', {
        ...signed,
        payloadBytes: encodePayload('LlmResponse', { ...honest, totalCost: '6' }),
      });
    },
  ],
])('an answer that is %s is not handed on', async (_name, forge) => {
  const { bad, asker } = await against(async (stream) => {
    const request = await readOneRequest(stream);
    const requestDigest = bad.identity.verifier().digest(request.payloadBytes);
    const response = await forge(request, bad.identity, { content: 'x', ...totals, requestDigest });
    stream.send(frame({ type: 'end', response: { type: 'llmResponse', response } }));
  });
  const error = await failure(asker.rpc.request(bad.peerId, await question(asker.identity, bad.identity)));
  expect(error).toMatchObject({ code: 'SIGNATURE_INVALID' });
});

test('an answer that costs more than was agreed is not handed on', async () => {
  const { bad, asker } = await against(async (stream) => {
    const request = await readOneRequest(stream);
    const requestDigest = bad.identity.verifier().digest(request.payloadBytes);
    const payload = { content: 'x', ...totals, requestDigest };
    const response = await bad.identity.sign(payload, { to: request.signer, inReplyTo: requestDigest });
    stream.send(frame({ type: 'end', response: { type: 'llmResponse', response } }));
  });
  const message = await question(asker.identity, bad.identity, { maxPrice: '4' });
  const error = await failure(asker.rpc.request(bad.peerId, message));
  expect(error).toMatchObject({
    code: 'INVALID_RESPONSE',
    data: { reason: 'it asks for 5 wei, maxPrice is 4' },
  });
});

test('a request that is signed for another peer is not sent', async () => {
  const [executor, asker] = await Promise.all([createNode(), createNode()]);
  await introduce(asker, executor);
  const message = await question(asker.identity, Identity.generate());
  expect(await failure(asker.rpc.request(executor.peerId, message))).toMatchObject({
    code: 'AUDIENCE_MISMATCH',
  });
});

type Misbehaviour = (stream: Stream) => void | Promise<void>;

function says(bytes: Uint8Array): Misbehaviour {
  return (stream) => {
    stream.send(bytes);
  };
}

function saysAndEnds(bytes: Uint8Array): Misbehaviour {
  return (stream) => {
    stream.send(bytes);
    return stream.close();
  };
}

function saysAndResets(bytes: Uint8Array): Misbehaviour {
  return (stream) => {
    stream.send(bytes);
    stream.abort(new Error('no'));
  };
}

function frame(value: ResponseFrame): Uint8Array {
  return encodeFrame(encodeResponseFrame(value));
}

function changed(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes, (byte, index) =>
    byte === 'H'.charCodeAt(0) && bytes[index + 1] === 'e'.charCodeAt(0) ? 0x4a : byte,
  );
}

/** The frames that a peer answers with until it ends its side. */
function readFrames(stream: Stream): Promise<ResponseFrame[]> {
  const decoder = new FrameDecoder();
  const frames: ResponseFrame[] = [];
  return new Promise((resolve) => {
    stream.addEventListener('message', ({ data }) => {
      for (const message of decoder.push(data.subarray())) frames.push(decodeResponseFrame(message));
    });
    stream.addEventListener('remoteCloseWrite', () => resolve(frames));
    stream.addEventListener('close', () => resolve(frames));
  });
}

function readOneRequest(stream: Stream): Promise<SignedMessage<LlmRequest>> {
  const decoder = new FrameDecoder();
  return new Promise((resolve) => {
    stream.addEventListener('message', ({ data }) => {
      for (const message of decoder.push(data.subarray())) {
        const { request } = decodeRequestFrame(message);
        if (request.type === 'llmRequest') resolve(request.request);
      }
    });
  });
}
