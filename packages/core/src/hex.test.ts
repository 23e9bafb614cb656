import { fc } from '@fast-check/vitest';
import { expect, test } from 'vitest';

import { fromHex, toHex, zeroAddress, zeroDigest } from './index.ts';

test('bytes come back from their hexadecimal text', () => {
  const comeBack = fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
    expect(fromHex(toHex(bytes))).toStrictEqual(bytes);
  });
  fc.assert(comeBack, { seed: 20_240_611, numRuns: 500 });
});

test('toHex() writes lower case, and only the bytes of its view', () => {
  const bytes = Uint8Array.of(0xff, 0xab, 0x00, 0x0c, 0xff);
  expect(toHex(bytes.subarray(1, 4))).toBe('0xab000c');
  expect(toHex(new Uint8Array(0))).toBe('0x');
});

test('fromHex() reads both cases', () => {
  expect(fromHex('0xABcd')).toEqual(Uint8Array.of(0xab, 0xcd));
  expect(fromHex('0x')).toEqual(new Uint8Array(0));
});

test.for(['', 'ab', '0X00', '0x0', '0xgg', '0x00 ', ' 0x00', '0x00\n'])('fromHex() refuses %o', (text) => {
  expect(() => fromHex(text)).toThrow(TypeError);
});

test('what stands for nothing has the length of what it stands for', () => {
  expect(fromHex(zeroAddress)).toEqual(new Uint8Array(20));
  expect(fromHex(zeroDigest)).toEqual(new Uint8Array(32));
});
