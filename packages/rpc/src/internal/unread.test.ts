import { seededRandom } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { UnreadQueue } from './unread.ts';

const kibibyte = 1024;

/** What one answer may hold by its credit. */
const creditBytes = 384 * kibibyte;

function chunkOf(length: number, seed: number): Uint8Array {
  return new Uint8Array(length).fill(seed);
}

describe('what waits for a reader', () => {
  test('is given in order and to the byte, whatever its sizes, while more comes', () => {
    const random = seededRandom('unread');
    const queue = new UnreadQueue();
    const expected: Uint8Array[] = [];
    let read = 0;
    const readOne = (): void => expect(queue.shift()?.message).toEqual(expected[read++]);
    for (let time = 0; time < 5_000; time++) {
      const [byte = 0] = random.bytes(1);
      const message = chunkOf(byte < 200 ? 1 + (byte % 140) : byte * 10, time);
      expected.push(message);
      queue.push({ kind: 'chunk', message });
      if (byte % 3 === 0) readOne();
      expect(queue.size).toBe(expected.length - read);
    }
    queue.push({ kind: 'end', message: chunkOf(1, 1) });
    while (queue.size > 1) readOne();
    expect([queue.shift()?.kind, queue.shift(), queue.size]).toEqual(['end', undefined, 0]);
  });

  test.for([1, 2, 7, 25, 127, 128, 400])(
    'holds no more than 2 MB an answer when all its credit comes in chunks of %i bytes',
    (length) => {
      const received = new Uint8Array(64 * kibibyte);
      const buffers = new Set<ArrayBufferLike>();
      const queue = new UnreadQueue();
      for (let bytes = 0; bytes < creditBytes; bytes += length)
        queue.push({ kind: 'chunk', message: received.subarray(0, length) });
      let objects = 0;
      let bytes = 0;
      for (let unread = queue.shift(); unread !== undefined; unread = queue.shift()) {
        const { buffer } = unread.message;
        if (buffers.has(buffer)) continue;
        buffers.add(buffer);
        objects++;
        bytes += buffer.byteLength;
      }
      // A buffer of its own, and what names it, take some 300 bytes beside what they hold.
      expect(bytes + 300 * objects).toBeLessThan(2_000_000);
    },
  );

  test('is dropped when nothing more is wanted', () => {
    const queue = new UnreadQueue();
    for (let time = 0; time < 3; time++) queue.push({ kind: 'chunk', message: chunkOf(1, time) });
    queue.close();
    expect([queue.size, queue.shift()]).toEqual([0, undefined]);
  });
});
