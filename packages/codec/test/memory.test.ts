import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect, test } from 'vitest';

import { encodeFrame, FrameDecoder } from '../src/index.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Array contents are given back beside the program; the next collection waits for the one before. */
function collectGarbage(): void {
  for (let times = 0; times < 3; times++) collect();
}

/** Bytes outside the heap: where the contents of typed arrays are. */
const storedBytes = (): number => process.memoryUsage().arrayBuffers;

test('hostile inputs of 10 MiB are read in a heap of 4 times their size', () => {
  const script = fileURLToPath(new URL('support/hostile.ts', import.meta.url));
  const heap = ['--max-old-space-size=40', '--max-semi-space-size=4'];
  const output = execFileSync(process.execPath, [...heap, '--conditions=@lloom/source', script], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  expect(output.trim().split('\n')).toHaveLength(13);
});

test('64 decoders that were each told of 10 MiB store what arrived, not what was announced', () => {
  const announced = encodeFrame(new Uint8Array(10 * MiB)).subarray(0, 4 + KiB);
  collectGarbage();
  const before = storedBytes();
  const decoders = Array.from({ length: 64 }, () => new FrameDecoder());
  for (const decoder of decoders) expect([...decoder.push(announced)]).toEqual([]);
  // 4 KiB each is the least that is stored; 640 MiB were announced.
  expect(storedBytes() - before).toBeLessThanOrEqual(64 * 4 * KiB + MiB);
  expect(decoders.every((decoder) => decoder.isInsideFrame)).toBe(true);
});

test('1 MiB that arrives byte by byte takes at most 4 times its size on the way', () => {
  const frame = encodeFrame(new Uint8Array(MiB).fill(7));
  const decoder = new FrameDecoder();
  collectGarbage();
  const before = storedBytes();
  let most = 0;
  const messages: Uint8Array[] = [];
  for (let at = 0; at < frame.length; at++) {
    messages.push(...decoder.push(frame.subarray(at, at + 1)));
    if (at % (16 * KiB) === 0) most = Math.max(most, storedBytes() - before);
  }
  most = Math.max(most, storedBytes() - before);
  expect(messages.map(({ length }) => length)).toEqual([MiB]);
  expect(most).toBeLessThanOrEqual(4 * MiB);
});

test('a decoder keeps nothing of messages that it gave away', () => {
  const decoder = new FrameDecoder();
  const frame = encodeFrame(new Uint8Array(MiB));
  const half = frame.length / 2;
  const feed = (): number =>
    [...decoder.push(frame.subarray(0, half)), ...decoder.push(frame.subarray(half))].length;
  expect(feed()).toBe(1);
  collectGarbage();
  const before = storedBytes();
  for (let times = 0; times < 20; times++) feed();
  collectGarbage();
  expect(storedBytes() - before).toBeLessThan(MiB);
});
