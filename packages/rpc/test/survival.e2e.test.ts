import { encodeFrame, encodePayload, openEnvelope } from '@lloom/codec';
import type { LlmRequest, LlmResponse, SignedMessage } from '@lloom/codec';
import { toPeerId } from '@lloom/core';
import { Identity } from '@lloom/identity';
import { expect, test } from 'vitest';
import {
  frame,
  pong,
  readFrames,
  readOneRequest,
  requestFrame,
  says,
  saysAndEnds,
  saysAndResets,
  totals,
  type Misbehaviour,
} from './misbehaviour.ts';
import { createBareNode, createNode, failure, introduce, protocol, question } from './nodes.ts';

/** A client, and a peer that does with each stream what a test wants. */
async function against(misbehave: Misbehaviour) {
  const [bad, asker] = await Promise.all([createBareNode(), createNode()]);
  await bad.node.handle(protocol, misbehave);
  await introduce(asker, bad);
  return { bad, asker };
}

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
])('a peer that %s ends in one typed error, and the node lives', async (_name, misbehave, code) => {
  const { bad, asker } = await against(misbehave);
  const failures: string[] = [];
  asker.rpc.addEventListener('request:failed', ({ detail }) => failures.push(detail.error.code));
  const error = await failure(asker.rpc.request(bad.peerId, { type: 'ping' }));
  expect(error).toMatchObject({ name: 'RpcError', code });
  expect(failures).toEqual([code]);
  expect(asker.rpc.pendingRequests()).toEqual([]);
  const honest = await createNode();
  await introduce(asker, honest);
  await expect(asker.rpc.request(honest.peerId, { type: 'ping' })).resolves.toEqual({
    type: 'pong',
  });
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
async function attack() {
  const [victim, attacker] = await Promise.all([createNode(), createBareNode()]);
  await introduce(attacker, victim);
  const stream = await attacker.node.dialProtocol(victim.node.peerId, protocol);
  return { victim, attacker, stream, answer: () => readFrames(stream) };
}

test.each<[string, Misbehaviour, string]>([
  ['declares more than ten MiB and its head', says(new Uint8Array([0x81, 0x80, 0x81, 0x05])), 'TOO_LARGE'],
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
])('a client that %s is told so, and the node lives', async (_name, misbehave, code) => {
  const { victim, attacker, stream, answer } = await attack();
  const answered = answer();
  await misbehave(stream);
  expect(await answered).toMatchObject([{ type: 'error', code }]);
  const honest = await createNode();
  await introduce(honest, victim);
  await expect(honest.rpc.request(victim.peerId, { type: 'ping' })).resolves.toEqual({ type: 'pong' });
  await attacker.node.stop();
  await victim.rpc.drain(10_000);
  expect(victim.rpc.activeInbound).toBe(0);
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
  stream.send(requestFrame(message));
  await handling.promise;
  stream.abort(new Error('gone'));
  await aborted.promise;
  await victim.rpc.drain(10_000);
  expect(victim.rpc.activeInbound).toBe(0);
});

test('a request that arrived whole before anybody read it is answered', async () => {
  const { victim, stream, answer } = await attack();
  victim.rpc.serve(() => undefined);
  stream.send(requestFrame({ type: 'ping' }));
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
  stream.send(requestFrame(message));
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

function changed(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes, (byte, index) =>
    byte === 'H'.charCodeAt(0) && bytes[index + 1] === 'e'.charCodeAt(0) ? 0x4a : byte,
  );
}
