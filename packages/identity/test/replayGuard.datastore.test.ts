import { fc } from '@fast-check/vitest';
import { MemoryDatastore } from 'datastore-core';
import { Key } from 'interface-datastore';
import { describe, expect, test } from 'vitest';

import { createReplayGuard, IdentityError } from '../src/index.ts';
import { HeldDatastore, recordsOf } from './support/datastores.ts';
import { envelopeAt, nonceOf, signerOf } from './support/envelopes.ts';
import { codeOf, failureOf, FakeClock } from './support/world.ts';

const minute = 60_000;

describe('a replay guard with a datastore', () => {
  test('still refuses after a restart what it accepted before', async () => {
    const clock = new FakeClock();
    const datastore = new MemoryDatastore();
    const first = await createReplayGuard({ clock, datastore });
    clock.advance(1);
    const envelope = envelopeAt(clock);
    await first.admit(envelope);
    await first.close();
    const second = await createReplayGuard({ clock, datastore });
    expect(second.size).toBe(1);
    expect(await codeOf(() => second.admit(envelope))).toBe('REPLAYED');
  });

  test('accepts after a restart what was signed while it was down', async () => {
    const clock = new FakeClock();
    const datastore = new MemoryDatastore();
    await (await createReplayGuard({ clock, datastore })).close();
    const meanwhile = envelopeAt(clock);
    clock.advance(minute);
    const guard = await createReplayGuard({ clock, datastore });
    expect(await codeOf(() => guard.admit(meanwhile))).toBeUndefined();
  });

  test('refuses what is older than a new datastore: it may have been accepted before', async () => {
    const clock = new FakeClock();
    const lost = await createReplayGuard({ clock, datastore: new MemoryDatastore() });
    const envelope = envelopeAt(clock);
    await lost.admit(envelope);
    clock.advance(1);
    const guard = await createReplayGuard({ clock, datastore: new MemoryDatastore() });
    expect(await codeOf(() => guard.admit(envelope))).toBe('OLDER_THAN_START');
  });

  test('does not accept before the nonce is written down', async () => {
    const clock = new FakeClock();
    const datastore = new HeldDatastore();
    const guard = await createReplayGuard({ clock, datastore });
    datastore.isHolding = true;
    let isAccepted = false;
    const admitting = guard.admit(envelopeAt(clock)).then(() => (isAccepted = true));
    expect(await codeOf(() => guard.admit(envelopeAt(clock)))).toBe('REPLAYED');
    expect(isAccepted).toBe(false);
    datastore.release();
    await admitting;
    expect(isAccepted).toBe(true);
    expect(datastore.writes).toBe(2);
  });

  test('waits for its writes when it is closed', async () => {
    const clock = new FakeClock();
    const datastore = new HeldDatastore();
    const guard = await createReplayGuard({ clock, datastore });
    datastore.isHolding = true;
    const order: string[] = [];
    const admitting = guard.admit(envelopeAt(clock)).then(() => order.push('written'));
    const closing = guard.close().then(() => order.push('closed'));
    datastore.release();
    await Promise.all([admitting, closing]);
    expect(order).toEqual(['written', 'closed']);
  });

  test('drops expired nonces when it starts and while it runs', async () => {
    const clock = new FakeClock();
    const datastore = new MemoryDatastore();
    const first = await createReplayGuard({ clock, datastore });
    await first.admit(envelopeAt(clock));
    await first.close();
    expect(await recordsOf(datastore)).toHaveLength(2);
    clock.advance(6 * minute);
    const second = await createReplayGuard({ clock, datastore });
    expect(second.size).toBe(0);
    expect(await recordsOf(datastore)).toHaveLength(1);
    await second.admit(envelopeAt(clock));
    clock.advance(6 * minute);
    await second.admit(envelopeAt(clock, { nonce: nonceOf(2) }));
    await second.close();
    expect(await recordsOf(datastore)).toHaveLength(2);
  });

  test('lives on when it cannot delete, and deletes at the next start', async () => {
    const clock = new FakeClock();
    const datastore = new HeldDatastore();
    const first = await createReplayGuard({ clock, datastore });
    const envelope = envelopeAt(clock);
    await first.admit(envelope);
    clock.advance(6 * minute);
    datastore.failure = new Error('disk full');
    expect(first.size).toBe(0);
    await first.close();
    datastore.failure = undefined;
    expect(await recordsOf(datastore)).toHaveLength(2);
    const second = await createReplayGuard({ clock, datastore });
    expect(await recordsOf(datastore)).toHaveLength(1);
    clock.jump(-6 * minute);
    expect(await codeOf(() => second.admit(envelope))).toBe('EXPIRED');
  });

  test('does not start on a datastore that cannot be read', async () => {
    const datastore = new HeldDatastore();
    datastore.failure = new Error('locked');
    const error = await failureOf(() => createReplayGuard({ datastore }));
    expect(IdentityError.is(error, 'GUARD_UNAVAILABLE') && error.cause).toBe(datastore.failure);
  });

  test('holds more than its limit when it was lowered, and accepts again when it has room', async () => {
    const clock = new FakeClock();
    const datastore = new MemoryDatastore();
    const first = await createReplayGuard({ clock, datastore });
    for (const number of [1, 2, 3]) await first.admit(envelopeAt(clock, { signer: signerOf(number) }));
    await first.close();
    const second = await createReplayGuard({ clock, datastore, maxEntries: 2, maxEntriesPerSigner: 2 });
    expect(second.size).toBe(3);
    expect(await codeOf(() => second.admit(envelopeAt(clock, { signer: signerOf(1) })))).toBe('REPLAYED');
    expect(await codeOf(() => second.admit(envelopeAt(clock, { signer: signerOf(4) })))).toBe('GUARD_FULL');
    clock.advance(6 * minute);
    expect(await codeOf(() => second.admit(envelopeAt(clock, { signer: signerOf(4) })))).toBeUndefined();
  });
});

describe('a damaged datastore', () => {
  const isNonce = (key: Key): boolean => key.toString().includes('/nonces/');

  async function damagedBy(damage: (datastore: MemoryDatastore, keys: Key[]) => void | Promise<void>) {
    const clock = new FakeClock();
    const datastore = new MemoryDatastore();
    const first = await createReplayGuard({ clock, datastore });
    clock.advance(10);
    const [kept, lost] = [envelopeAt(clock), envelopeAt(clock, { nonce: nonceOf(2) })];
    await first.admit(kept);
    await first.admit(lost);
    await first.close();
    const records = await recordsOf(datastore);
    await damage(datastore, records.map(({ key }) => key).filter(isNonce));
    clock.advance(10);
    return { clock, datastore, kept, lost, guard: await createReplayGuard({ clock, datastore }) };
  }

  const flip = (value: Uint8Array, at: number): Uint8Array =>
    value.map((byte, index) => (index === at ? byte ^ 1 : byte));

  test.for<[string, (datastore: MemoryDatastore, keys: Key[]) => void | Promise<void>]>([
    ['a flipped bit in a time', async (d, [key]) => void d.put(key!, flip(await d.get(key!), 5))],
    ['a flipped bit in a checksum', async (d, [key]) => void d.put(key!, flip(await d.get(key!), 12))],
    ['a value that was cut off', async (d, [key]) => void d.put(key!, (await d.get(key!)).subarray(0, 7))],
    ['an empty value', (d, [key]) => void d.put(key!, new Uint8Array())],
    [
      'a value under another nonce',
      async (d, [key]) => {
        const value = await d.get(key!);
        await d.delete(key!);
        await d.put(new Key(key!.toString().replace(/.$/, '9')), value);
      },
    ],
    [
      'a key that is none',
      (d) => void d.put(new Key('/lloom/replay-guard/1/nonces/nonsense'), new Uint8Array(16)),
    ],
    ['a damaged state', async (d) => void d.put(new Key('/lloom/replay-guard/1/state'), new Uint8Array(24))],
    ['no state', async (d) => d.delete(new Key('/lloom/replay-guard/1/state'))],
  ])('with %s is told, and lets nothing pass that was signed before', async ([, damage]) => {
    const { clock, guard, kept, lost, datastore } = await damagedBy(damage);
    expect(guard.damagedRecords).toBe(1);
    for (const envelope of [kept, lost]) {
      expect(await codeOf(() => guard.admit(envelope))).toBe('OLDER_THAN_START');
    }
    expect(await codeOf(() => guard.admit(envelopeAt(clock, { nonce: nonceOf(3) })))).toBeUndefined();
    await guard.close();
    // What was lost stays refused: the new beginning is written down.
    const later = await createReplayGuard({ clock, datastore });
    expect(later.damagedRecords).toBe(0);
    for (const envelope of [kept, lost]) {
      expect(await codeOf(() => later.admit(envelope))).toBe('OLDER_THAN_START');
    }
  });

  test('with any one bit flipped lets no replay pass', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat({ max: 127 }), async (pick, bit) => {
        const { guard, kept, lost } = await damagedBy(async (datastore) => {
          const records = await recordsOf(datastore);
          const record = records[pick % records.length];
          if (record === undefined) return;
          const at = (bit >> 3) % record.value.length;
          const value = record.value.map((byte, index) => (index === at ? byte ^ (1 << (bit & 7)) : byte));
          await datastore.put(record.key, value);
        });
        for (const envelope of [kept, lost]) expect(await codeOf(() => guard.admit(envelope))).toBeDefined();
      }),
      { numRuns: 200, seed: 31 },
    );
  });
});
