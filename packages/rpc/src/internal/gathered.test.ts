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

  test.each([0, 1, 100_000, 3 * mebibyte, 10 * mebibyte])(
    'takes at most twice the memory of what has come and 4 KiB, three times while it moves, with %d announced',
    (announced) => {
      const allocate = Buffer.allocUnsafeSlow.bind(Buffer);
      const sizes: number[] = [];
      vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation((size) => {
        sizes.push(size);
        return allocate(size);
      });
      for (const pieceBytes of [1, 1_000, 64 * kibibyte, mebibyte]) {
        let [held, most, mostMoving] = [0, 0, 0];
        const gathered = new GatheredMessage(announced);
        const piece = pattern(pieceBytes);
        while (gathered.length < Math.min(10 * mebibyte, 5_000 * pieceBytes)) {
          gathered.add(piece);
          for (const size of sizes.splice(0)) {
            mostMoving = Math.max(mostMoving, held + size - 3 * gathered.length);
            // A block for everything that was announced takes the place of those before it.
            const isForAll = size === announced && gathered.length >= announced / 2;
            held = isForAll ? size : held + size;
          }
          most = Math.max(most, held - 2 * gathered.length);
        }
        expect(most).toBeLessThanOrEqual(4 * kibibyte);
        expect(mostMoving).toBeLessThanOrEqual(4 * kibibyte);
        const whole = gathered.join();
        expect(whole).toHaveLength(gathered.length);
        expect(sizes.splice(0).reduce((sum, size) => sum + size, held)).toBeLessThanOrEqual(
          3 * whole.length + 4 * kibibyte,
        );
      }
    },
  );
});
