import { fc } from '@fast-check/vitest';
import { expect, test } from 'vitest';

import { fromHex, toHex, zeroAddress, zeroDigest } from './index.ts';

test('bytes come back from their hexadecimal text', () => {
  const comeBack = fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    expect(fromHex(toHex(bytes))).toStrictEqual(bytes);
  });
  fc.assert(comeBack, { seed: 20_240_611, numRuns: 500 });
});

test.for([0, 1, 127, 128, 129, 300])('toHex() writes each of %i bytes as two digits', (length) => {
  const bytes = Uint8Array.from({ length }, (_, index) => index);
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'));
  expect(toHex(bytes)).toBe(`0x${digits.join('')}`);
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

test.for(['', 'ab', '0X00', '0x0', '0xgg', '0x00 ', ' 0x00', '0x00\n', '0x00zz00', '0x00 00'])(
  'fromHex() refuses %o',
  (text) => {
    expect(() => fromHex(text)).toThrow('want "0x" and pairs of digits');
  },
);

test('fromHex() refuses characters that end in the same bits as a digit', () => {
  for (const digit of ['0', '9', 'a', 'f', 'A', 'F']) {
    for (const high of [0x80, 0x100, 0x1_000, 0xff00]) {
      const alike = String.fromCharCode(digit.charCodeAt(0) + high);
      expect(() => fromHex(`0x${alike}0`)).toThrow(TypeError);
      expect(() => fromHex(`0x0${alike}`)).toThrow(TypeError);
    }
  }
});

test('what stands for nothing has the length of what it stands for', () => {
  expect(fromHex(zeroAddress)).toEqual(new Uint8Array(20));
  expect(fromHex(zeroDigest)).toEqual(new Uint8Array(32));
});
