import type { AnswerSegment, ChunkFrame } from '@lloom/codec';
import { Identity } from '@lloom/identity';
import { expect, test } from 'vitest';
import type { RequestId } from '../types.ts';
import { AnswerProof } from './answerProof.ts';

/** A proof of an answer of two words, and a way to sign segments of it, honestly but for `lie`. */
async function answer() {
  const [client, executor] = [Identity.generate(), Identity.generate()];
  const request = await client.sign({ model: 'demo-small', prompt: 'Hello' }, { to: executor.peerId });
  const verifier = client.verifier();
  const proof = new AnswerProof({
    requestId: 'r-1' as RequestId,
    peerId: executor.peerId,
    request,
    verifier,
    executor: executor.evmAddress,
    verify: true,
  });
  const running = verifier.startDigest();
  const prefixDigest = running.digest();
  let [index, outboundTokens] = [0, 0];
  const chunk = async (text: string, lie: Partial<AnswerSegment> = {}): Promise<ChunkFrame> => {
    running.update(new TextEncoder().encode(text));
    const honest = {
      requestDigest: proof.requestDigest,
      prefixDigest,
      runningDigest: running.digest(),
      index,
      tokens: 1,
      inboundTokens: 1,
      outboundTokens: ++outboundTokens,
      totalCost: '5',
      modelUsed: 'demo-small',
    };
    const segment = await executor.sign(
      { ...honest, ...lie },
      { to: client.evmAddress, inReplyTo: proof.requestDigest },
    );
    return { type: 'chunk', sequence: index++, text, tokens: 1, segment };
  };
  return { proof, chunk };
}

test('an answer of several segments is proven as a whole, part by part', async () => {
  const { proof, chunk } = await answer();
  await proof.add(await chunk('one '));
  const { segment } = await chunk('', { tokens: 0, outboundTokens: 1, finishReason: 'stop', index: 1 });
  const whole = await proof.end({ type: 'end', ...(segment && { segment }) });
  expect(whole).toMatchObject({ content: 'one ', outboundTokens: 1, totalCost: '5', finishReason: 'stop' });
  expect(whole.parts.map((part) => part.text)).toEqual(['one ', '']);
});

test.each<[string, Partial<AnswerSegment>]>([
  ['costs less than the one before', { totalCost: '4' }],
  ['is out of order', { index: 2 }],
  ['answers another request', { requestDigest: `0x${'12'.repeat(32)}` }],
  ['signs another text', { runningDigest: `0x${'12'.repeat(32)}` }],
  ['continues another text', { prefixDigest: `0x${'12'.repeat(32)}` }],
  ['counts tokens twice', { outboundTokens: 3 }],
])('a segment that %s proves nothing', async (_name, lie) => {
  const { proof, chunk } = await answer();
  await proof.add(await chunk('one '));
  await expect(proof.add(await chunk('two', lie))).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
});

test('nothing follows the last segment', async () => {
  const { proof, chunk } = await answer();
  await proof.add(await chunk('one ', { finishReason: 'stop' }));
  await expect(proof.add(await chunk('two'))).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
});

test.each<[string, Partial<ChunkFrame>, string]>([
  ['out of order', { sequence: 1 }, 'chunk 1 came when 0 was due'],
  ['that holds nothing', { text: '' }, 'a chunk holds nothing'],
])('a chunk %s cannot be read', async (_name, change, reason) => {
  const { proof } = await answer();
  const chunk: ChunkFrame = { type: 'chunk', sequence: 0, text: 'x', tokens: 1, ...change };
  const data: unknown = expect.objectContaining({ reason });
  expect(() => proof.add(chunk)).toThrow(expect.objectContaining({ code: 'INVALID_RESPONSE', data }));
});

test('a chunk without a signature is there at once', async () => {
  const { proof } = await answer();
  expect(proof.add({ type: 'chunk', sequence: 0, text: 'x', tokens: 1 })).toEqual({
    sequence: 0,
    text: 'x',
    tokens: 1,
    peerId: expect.any(String),
  });
});

test('what is proven and what is not stays apart, also when a signature is wrong', async () => {
  const { proof, chunk } = await answer();
  expect(proof.parts).toEqual([]);
  const first = await chunk('one ');
  await proof.add(first);
  const proven = { text: 'one ', tokens: 1, signed: first.segment };
  expect(proof.parts).toMatchObject([proven]);
  await expect(proof.add(await chunk('two ', { tokens: 9 }))).rejects.toMatchObject({
    code: 'SIGNATURE_INVALID',
  });
  void proof.add({ type: 'chunk', sequence: 2, text: 'three', tokens: 3 });
  expect(proof.parts).toMatchObject([proven, { text: 'three', tokens: 3 }]);
  expect(proof.parts[1]).not.toHaveProperty('signed');
});

test('text that is hashed in many steps has the digest of the whole', async () => {
  const { proof, chunk } = await answer();
  const words = Array.from({ length: 3_000 }, () => '🦜 and ünd ');
  const text = words.join('');
  await proof.add(await chunk(text));
  const last = await chunk(text, { finishReason: 'stop' });
  const { segment, ...plain } = last;
  for (const [index, word] of words.entries())
    void proof.add({ ...plain, sequence: index + 1, text: word, tokens: 0 });
  const whole = await proof.end({ type: 'end', ...(segment && { segment }) });
  expect(whole.content).toBe(text + text);
});
