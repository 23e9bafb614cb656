import { expect, test } from 'vitest';
import { ownBytes } from './ownBytes.ts';

test('a small part of many bytes is kept by itself, and a large one as it is', () => {
  const all = Uint8Array.from({ length: 100 }, (_, index) => index);
  const small = ownBytes(all.subarray(10, 59));
  expect([small, small.buffer.byteLength]).toEqual([all.subarray(10, 59), 49]);
  for (const large of [all, all.subarray(10, 60), all.subarray(0)]) expect(ownBytes(large)).toBe(large);
});

test('bytes from a pool of Node.js are kept by themselves, too', () => {
  const kept = ownBytes(Buffer.from('a few'));
  expect(kept.buffer.byteLength).toBe(5);
});
