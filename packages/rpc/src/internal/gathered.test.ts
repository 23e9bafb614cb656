import { seededRandom } from '@lloom/simkit';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { pattern } from '../../test/sessionProbes.ts';
import { GatheredMessage } from './gathered.ts';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a message in pieces', () => {
  test('is whole again, whatever the pieces', () => {
    const random = seededRandom('gathered');
    for (let time = 0; time < 25; time++) {
      const whole = pattern(Math.floor(random.float() ** 3 * 4 * mebibyte), time);
      const gathered = new GatheredMessage();
      for (let start = 0; start < whole.length;) {
        const length = Math.floor(random.float() ** 2 * 200_000);
        gathered.add(whole.subarray(start, start + length));
        start += length;
      }
      expect(gathered.length).toBe(whole.length);
      expect(Buffer.compare(gathered.join(), whole), `time ${time}`).toBe(0);
    }
  });

  test('may be empty', () => {
    const gathered = new GatheredMessage();
    expect(gathered.join()).toHaveLength(0);
    gathered.add(new Uint8Array(0));
    expect([gathered.length, gathered.join().length]).toEqual([0, 0]);
  });

  test('is a copy: what the network does with its bytes afterwards is not seen', () => {
    const piece = pattern(10);
    const gathered = new GatheredMessage();
    gathered.add(piece);
    piece.fill(0);
    expect(gathered.join()).toEqual(pattern(10));
  });

  test('takes at most twice the memory of what has come, and 64 KiB, whatever was announced', () => {
    let heldBytes = 0;
    const allocate = Buffer.allocUnsafeSlow.bind(Buffer);
    const sizes: number[] = [];
    vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation((size) => {
      sizes.push(size);
      return allocate(size);
    });
    for (const announced of [0, 1, 100_000, 3 * mebibyte, 10 * mebibyte])
      for (const pieceBytes of [1, 1_000, 64 * kibibyte, mebibyte]) {
        [sizes.length, heldBytes] = [0, 0];
        let most = 0;
        const gathered = new GatheredMessage(announced);
        const piece = pattern(pieceBytes);
        while (gathered.length < Math.min(10 * mebibyte, 5_000 * pieceBytes)) {
          const before = gathered.length;
          gathered.add(piece);
          for (const size of sizes.splice(0)) {
            // A block for everything that was announced takes the place of those before it.
            const isForAll = size === announced && before >= announced / 2;
            heldBytes = isForAll ? size : heldBytes + size;
          }
          most = Math.max(most, heldBytes - 2 * gathered.length);
        }
        expect(most, `${announced} announced`).toBeLessThanOrEqual(64 * kibibyte);
        const whole = gathered.join();
        expect(whole).toHaveLength(gathered.length);
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(whole.length);
      }
  });
});
