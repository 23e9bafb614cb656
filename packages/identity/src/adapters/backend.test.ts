import { fc } from '@fast-check/vitest';
import { fromHex, toHex } from '@lloom/core';
import { keccak256, recoverPublicKey } from 'viem';
import { privateKeyToAccount, sign } from 'viem/accounts';
import { describe, expect, test } from 'vitest';

import { failureOf, knownKey } from '../../test/support/world.ts';
import golden from '../../test/vectors/signatures.json' with { type: 'json' };
import { chooseBackend, cryptoBackend, selectBackend } from './backend.ts';
import { createNativeCurve } from './native.ts';
import { pureCurve } from './pure.ts';

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const bytes = fc.uint8Array({ maxLength: 1_000 });
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const key = fromHex(golden.privateKey);

// The same table runs over both, and where there is no addon the first is the second once more.
const backends = [
  { name: 'auto', backend: selectBackend('auto') },
  { name: 'pure', backend: selectBackend('pure') },
];

describe.each(backends)('the $name backend', ({ backend }) => {
  test.for(golden.vectors)('signs $digest as in the golden vectors, and finds the key again', (vector) => {
    const digest = fromHex(vector.digest);
    const signature = backend.sign(digest, key);
    expect(toHex(signature)).toBe(vector.signature);
    expect(backend.recover(digest, signature)).toEqual(backend.publicKeyOf(key));
  });

  test.for(golden.vectors.filter((vector) => vector.text !== undefined))(
    'hashes the text of $digest',
    (vector) => {
      expect(toHex(backend.keccak256(utf8(vector.text ?? '')))).toBe(vector.digest);
    },
  );

  test('makes the public key of the known private one, and expands its short form', () => {
    const publicKey = backend.publicKeyOf(fromHex(knownKey.privateKey));
    expect(toHex(publicKey)).toBe(privateKeyToAccount(knownKey.privateKey).publicKey);
    expect(backend.expand(fromHex(knownKey.publicKey))).toEqual(publicKey);
  });

  test('signs and recovers as viem does', async () => {
    await fc.assert(
      fc.asyncProperty(hash, async (digest) => {
        const signature = backend.sign(digest, key);
        const theirs = await sign({ hash: toHex(digest), privateKey: knownKey.privateKey, to: 'object' });
        expect(toHex(signature.subarray(0, 32))).toBe(theirs.r);
        expect(toHex(signature.subarray(32, 64))).toBe(theirs.s);
        expect(signature[64]).toBe(theirs.yParity);
        const found = backend.recover(digest, signature);
        expect(toHex(found ?? new Uint8Array())).toBe(
          await recoverPublicKey({ hash: toHex(digest), signature: theirs }),
        );
      }),
      { numRuns: 20, seed: 1 },
    );
  });

  test('leaves what it gave as it is while it goes on', () => {
    const given = Array.from({ length: 150 }, (_, index) => {
      const digest = new Uint8Array(32).fill(index + 1);
      const signature = backend.sign(digest, key);
      const found = backend.recover(digest, signature) ?? new Uint8Array();
      return { signature, found, asGiven: [toHex(signature), toHex(found)] };
    });
    for (const { signature, found, asGiven } of given) {
      expect([toHex(signature), toHex(found)]).toEqual(asGiven);
    }
  });

  test('hashes as viem does, at once and piece by piece, also when digests are taken on the way', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, fc.array(bytes, { maxLength: 5 }), async (first, rest) => {
        await backend.ready;
        expect(toHex(backend.keccak256(first))).toBe(keccak256(first));
        const running = backend.startKeccak();
        let all = Buffer.from(first);
        running.update(first);
        for (const piece of rest) {
          expect(toHex(running.digest())).toBe(keccak256(all));
          running.update(piece);
          all = Buffer.concat([all, piece]);
        }
        expect(toHex(running.digest())).toBe(keccak256(all));
      }),
      { numRuns: 100, seed: 2 },
    );
  });

  test('keeps digests apart that are fed in turns', async () => {
    await backend.ready;
    const [a, b] = [backend.startKeccak(), backend.startKeccak()];
    a.update(utf8('on'));
    b.update(utf8('tw'));
    a.update(utf8('e'));
    expect(toHex(backend.keccak256(utf8('zero')))).toBe(keccak256(utf8('zero')));
    b.update(utf8('o'));
    expect([toHex(a.digest()), toHex(b.digest())]).toEqual([keccak256(utf8('one')), keccak256(utf8('two'))]);
  });

  test.for([
    ['zero r', '00'.repeat(32), '01'.repeat(32), 0],
    ['zero s', '01'.repeat(32), '00'.repeat(32), 0],
    ['r beyond the order', 'ff'.repeat(32), '01'.repeat(32), 0],
    ['s beyond the order', '01'.repeat(32), 'ff'.repeat(32), 0],
    ['r that is no point', `${'00'.repeat(31)}05`, '01'.repeat(32), 0],
    ['a recovery id of 4', '01'.repeat(32), '01'.repeat(32), 4],
    ['a recovery id of 255', '01'.repeat(32), '01'.repeat(32), 255],
  ] as const)('finds no key for %s', ([, r, s, recoveryId]) => {
    const signature = Uint8Array.from([...fromHex(`0x${r}${s}`), recoveryId]);
    expect(backend.recover(new Uint8Array(32).fill(7), signature)).toBeUndefined();
  });
});

describe('the choice of a backend', () => {
  const failing = (): never => {
    throw new Error('No native build was found for this platform');
  };

  test('falls back to the pure one where the addon does not load, and says why', async () => {
    const { backend, reason } = chooseBackend({}, failing);
    await backend.ready;
    expect([backend.curve, backend.keccak, backend.isReady, reason]).toEqual([
      'pure',
      'wasm',
      true,
      'No native build was found for this platform',
    ]);
  });

  test('takes the pure one when LLOOM_CRYPTO says so, without trying to load the addon', () => {
    const { backend, reason } = chooseBackend({ LLOOM_CRYPTO: 'pure' }, failing);
    expect([backend.curve, backend.keccak, reason]).toEqual(['pure', 'pure', 'LLOOM_CRYPTO is "pure"']);
  });

  test('refuses any other value of LLOOM_CRYPTO by name', async () => {
    const error = await failureOf(() => chooseBackend({ LLOOM_CRYPTO: 'fast' }, failing));
    expect(String(error)).toContain('"environment.LLOOM_CRYPTO" is "fast", want one of "auto", "pure"');
  });

  test('counts an empty LLOOM_CRYPTO as not set', () => {
    expect(chooseBackend({ LLOOM_CRYPTO: '' }, () => ({ ...pureCurve, curve: 'native' })).backend.curve).toBe(
      'native',
    );
  });

  test('works from the first moment, before the faster hash has loaded', () => {
    const { backend } = chooseBackend({}, failing);
    expect([backend.keccak, backend.isReady]).toEqual(['pure', false]);
    expect(toHex(backend.keccak256(utf8('')))).toBe(keccak256('0x'));
  });

  test('says what is in use', async () => {
    expect(await cryptoBackend('pure')).toEqual({
      curve: 'pure',
      keccak: 'pure',
      reason: 'the configuration asks for "pure"',
    });
    const { curve, keccak, reason } = await cryptoBackend();
    expect(keccak).toBe(process.env['LLOOM_CRYPTO'] === 'pure' ? 'pure' : 'wasm');
    expect(reason === undefined).toBe(curve === 'native');
  });

  test('never loads the implementation in JavaScript that the addon brings along', async ({ skip }) => {
    const { curve } = await cryptoBackend();
    if (curve !== 'native') skip('there is no addon for this platform');
    createNativeCurve();
    const { createRequire } = await import('node:module');
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    expect(loaded.filter((path) => path.includes('elliptic'))).toEqual([]);
  });
});
