import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { ICryptoInterface } from '@libp2p/noise';

import { keyObjectOf } from '../src/adapters/nodeAead.ts';
import { noiseCrypto } from '../src/index.ts';
import { pattern } from './support/nodes.ts';
import { securedPair, take, withCrypto } from './support/secured.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Lets what is no longer used be forgotten: nothing is within the turn in which it was looked at. */
async function forget(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise(setImmediate);
    collect();
  }
}

test('a key has one second form, which goes with the key', async () => {
  const seen = ((key) => {
    const made = keyObjectOf(key);
    expect(keyObjectOf(key)).toBe(made);
    return new WeakRef(made);
  })(pattern(32));
  await forget();
  expect(seen.deref()).toBeUndefined();
});

test('the keys of a connection are kept while it lasts, and forgotten when it has ended', async () => {
  const keys = new Set<WeakRef<object>>();
  const crypto = noiseCrypto({ crypto: 'pure' });
  const watched: ICryptoInterface = {
    ...crypto,
    chaCha20Poly1305Encrypt(...record) {
      if (record[0].byteLength > 1_000)
        keys.add(new WeakRef(record[3])).add(new WeakRef(keyObjectOf(record[3])));
      return crypto.chaCha20Poly1305Encrypt(...record);
    },
  };
  const kept = (): number => [...keys].filter((key) => key.deref() !== undefined).length;

  const use = async (): Promise<void> => {
    const { client, server } = await securedPair(withCrypto(watched), withCrypto(watched));
    for (const [from, to] of [[client, server] as const, [server, client] as const]) {
      const arrived = take(to.secured, 2_000);
      from.secured.send(pattern(2_000));
      await arrived;
    }
    await forget();
    expect(kept()).toBe(4);
    const ended = new Promise((resolve) => server.raw.addEventListener('close', resolve));
    await client.secured.close();
    await ended;
  };
  await use();
  await forget();
  expect(kept()).toBe(0);
});
