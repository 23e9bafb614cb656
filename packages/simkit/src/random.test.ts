import { fc } from '@fast-check/vitest';
import { describe, expect, test } from 'vitest';
import { seededRandom } from './random.ts';

const seeds = fc.oneof(fc.integer(), fc.string());

describe('seededRandom', () => {
  test('says on every machine what it has always said', () => {
    const random = seededRandom(1);
    expect(Buffer.from(random.bytes(8)).toString('hex')).toMatchInlineSnapshot(`"fe8f3b395c9b0ece"`);
    expect(random.float()).toMatchInlineSnapshot(`0.5187102496590177`);
    expect(random.fork('links').float()).toMatchInlineSnapshot(`0.5628337123142195`);
  });

  test('says the same for the same seed, in whatever pieces it is asked', () => {
    const same = fc.property(seeds, fc.array(fc.nat(40), { maxLength: 10 }), (seed, lengths) => {
      const [one, other] = [seededRandom(seed), seededRandom(seed)];
      for (const length of lengths) {
        expect(one.bytes(length)).toEqual(other.bytes(length));
        expect(one.float()).toBe(other.float());
      }
    });
    fc.assert(same, { seed: 20_260_101 });
  });

  test('gives a fork that does not depend on what was drawn before, nor the other way round', () => {
    const independent = fc.property(seeds, fc.string(), fc.nat(20), (seed, label, draws) => {
      const [fresh, used] = [seededRandom(seed), seededRandom(seed)];
      for (let index = 0; index < draws; index += 1) used.float();
      expect(used.fork(label).bytes(16)).toEqual(fresh.fork(label).bytes(16));
      used.fork(label).bytes(16);
      for (let index = 0; index < draws; index += 1) fresh.float();
      expect(used.float()).toBe(fresh.float());
    });
    fc.assert(independent, { seed: 20_260_102 });
  });

  test('says something else for another seed', () => {
    const different = fc.property(fc.integer(), fc.integer(), (one, other) => {
      fc.pre(one !== other);
      expect(seededRandom(one).bytes(16)).not.toEqual(seededRandom(other).bytes(16));
    });
    fc.assert(different, { seed: 20_260_103 });
  });

  test('gives every label a chance of its own', () => {
    const random = seededRandom('network');
    const first = Array.from({ length: 1_000 }, (_, index) => random.fork(`host/${index}`).float());
    expect(new Set(first).size).toBe(1_000);
    expect(random.fork('a').fork('b').float()).toBe(seededRandom('network/a/b').float());
  });

  test('takes a number for the same seed as its text', () => {
    expect(seededRandom(42).bytes(8)).toEqual(seededRandom('42').bytes(8));
  });

  test('spreads its numbers evenly from 0 up to, not including, 1', () => {
    const random = seededRandom('spread');
    const buckets = Array.from({ length: 10 }, () => 0);
    for (let index = 0; index < 10_000; index += 1) {
      const number = random.float();
      expect(number >= 0 && number < 1).toBe(true);
      buckets[Math.floor(number * 10)]! += 1;
    }
    expect(Math.min(...buckets)).toBeGreaterThan(850);
    expect(Math.max(...buckets)).toBeLessThan(1_150);
  });

  test('gives as many bytes as are asked for, of every value', () => {
    const random = seededRandom('bytes');
    expect([0, 1, 3, 4, 5, 70_000].map((length) => random.bytes(length).length)).toEqual([
      0, 1, 3, 4, 5, 70_000,
    ]);
    expect(new Set(random.bytes(10_000)).size).toBe(256);
    expect(() => random.bytes(-1)).toThrow(RangeError);
  });

  test('works when its functions are taken off it', () => {
    const { bytes, float, fork } = seededRandom(7);
    const whole = seededRandom(7);
    expect([bytes(4), float(), fork('a').float()]).toEqual([
      whole.bytes(4),
      whole.float(),
      whole.fork('a').float(),
    ]);
  });
});
