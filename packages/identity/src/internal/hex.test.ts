import { fc } from '@fast-check/vitest';
import { fromHex, toHex } from '@lloom/core';
import { expect, test } from 'vitest';

import { bytesOfHex } from './hex.ts';

test('gives the bytes that the core reads, in either case', () => {
  const agree = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const hex = toHex(bytes);
    expect([...(bytesOfHex(hex) ?? [-1])]).toEqual([...bytes]);
    expect([...(bytesOfHex(`0x${hex.slice(2).toUpperCase()}`) ?? [-1])]).toEqual([...bytes]);
  });
  fc.assert(agree, { seed: 20_240_612, numRuns: 300 });
});

test('refuses exactly what the core refuses', () => {
  const digits = fc.constantFrom(...Array.from('0189afAFgx \n\u0130\u0141\u0161\uff41\ud800'));
  const texts = fc.array(digits, { maxLength: 6 }).map((characters) => characters.join(''));
  const agree = fc.property(texts, fc.constantFrom('0x', '', '0X', 'x'), (text, prefix) => {
    const hex = `${prefix}${text}`;
    let core: number[] | undefined;
    try {
      core = [...fromHex(hex)];
    } catch {
      core = undefined;
    }
    const pattern = /^0x(?:[0-9a-fA-F]{2})*$/.test(hex);
    const here = bytesOfHex(hex);
    expect([core !== undefined, here !== undefined]).toEqual([pattern, pattern]);
    expect(here && [...here]).toEqual(core);
  });
  fc.assert(agree, { seed: 20_240_613, numRuns: 3_000 });
});

test.for([undefined, null, 7, {}, ['0x00']])('refuses %o', (value) => {
  expect(bytesOfHex(value)).toBeUndefined();
});
