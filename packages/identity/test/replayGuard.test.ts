import { fc } from '@fast-check/vitest';
import type { EvmAddress, Hex } from '@lloom/core';
import { MemoryDatastore } from 'datastore-core';
import { describe, expect, test } from 'vitest';

import { createReplayGuard, IdentityError, type GuardedEnvelope } from '../src/index.ts';
import { HeldDatastore } from './support/datastores.ts';
import { envelopeAt, nonceOf, signerOf } from './support/envelopes.ts';
import { codeOf, failureOf, FakeClock } from './support/world.ts';

const minute = 60_000;

describe('a replay guard', () => {
  test('accepts a nonce of a signer once', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock });
    const envelope = envelopeAt(clock);
    expect(await codeOf(() => guard.admit(envelope))).toBeUndefined();
    expect(await codeOf(() => guard.admit(envelope))).toBe('REPLAYED');
    expect(await codeOf(() => guard.admit({ ...envelope, signer: signerOf(2) }))).toBeUndefined();
    expect(guard.size).toBe(2);
  });

  test('knows a signer and a nonce in either case', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock });
    const signer: EvmAddress = `0x${'ab'.repeat(20)}`;
    const nonce: Hex = `0x${'cd'.repeat(32)}`;
    await guard.admit(envelopeAt(clock, { signer, nonce }));
    const loud = { signer: `0x${'AB'.repeat(20)}` as Hex, nonce: `0x${'CD'.repeat(32)}` as Hex };
    expect(await codeOf(() => guard.admit(envelopeAt(clock, loud)))).toBe('REPLAYED');
  });

  test('refuses a nonce that its signer uses again with other times', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock });
    await guard.admit(envelopeAt(clock));
    clock.advance(minute);
    expect(await codeOf(() => guard.admit(envelopeAt(clock)))).toBe('REPLAYED');
  });

  test('of two calls at the same time accepts one', async () => {
    const clock = new FakeClock();
    for (const datastore of [undefined, new MemoryDatastore()]) {
      const guard = await createReplayGuard({ clock, ...(datastore && { datastore }) });
      const calls = Array.from({ length: 20 }, () => codeOf(() => guard.admit(envelopeAt(clock))));
      const codes = await Promise.all(calls);
      expect(codes.filter((code) => code === undefined)).toHaveLength(1);
      expect(codes.filter((code) => code === 'REPLAYED')).toHaveLength(19);
    }
  });

  test('forgets a nonce when its envelope has ended, and refuses the envelope for that', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock });
    const envelope = envelopeAt(clock);
    await guard.admit(envelope);
    clock.advance(5 * minute - 1);
    expect(guard.size).toBe(1);
    clock.advance(1_001);
    expect(guard.size).toBe(0);
    expect(await codeOf(() => guard.admit(envelope))).toBe('EXPIRED');
    expect(await codeOf(() => guard.admit(envelopeAt(clock)))).toBeUndefined();
  });

  test('refuses what was signed before it began to remember', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock });
    const error = await failureOf(() => guard.admit(envelopeAt(clock, { timestampMs: clock.now() - 7 })));
    expect(IdentityError.is(error, 'OLDER_THAN_START')).toBe(true);
    expect(String(error)).toContain('signed 7 ms before this replay guard began to remember');
    expect(await codeOf(() => guard.admit(envelopeAt(clock)))).toBeUndefined();
  });

  test('refuses for a while after its start when it is told to', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock, startMarginMs: minute });
    const ahead = envelopeAt(clock, { timestampMs: clock.now() + minute - 1 });
    expect(await codeOf(() => guard.admit(ahead))).toBe('OLDER_THAN_START');
    clock.advance(minute);
    expect(await codeOf(() => guard.admit(envelopeAt(clock)))).toBeUndefined();
  });

  test('refuses everything once it is closed', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock });
    await guard.close();
    const error = await failureOf(() => guard.admit(envelopeAt(clock)));
    expect(IdentityError.is(error, 'GUARD_UNAVAILABLE') && error.data.reason).toBe('closed');
  });

  test.for([{ maxEntries: 0 }, { maxEntriesPerSigner: 0 }, { startMarginMs: -1 }, { maxEntires: 5 }])(
    'refuses the configuration %o',
    async (config) => {
      expect(await codeOf(() => createReplayGuard(config))).toBe('INVALID_CONFIG');
    },
  );
});

describe('the bounds of a replay guard', () => {
  test('stop one signer before it fills the guard for others', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock, maxEntries: 8 });
    const admit = (signer: number, nonce: number) =>
      codeOf(() => guard.admit(envelopeAt(clock, { signer: signerOf(signer), nonce: nonceOf(nonce) })));
    expect([await admit(1, 1), await admit(1, 2)]).toEqual([undefined, undefined]);
    expect(await admit(1, 3)).toBe('GUARD_FULL');
    expect(await admit(2, 1)).toBeUndefined();
    expect(await admit(1, 1)).toBe('REPLAYED');
  });

  test('refuse all new nonces when it is full, say so, and lift when envelopes end', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock, maxEntries: 3, maxEntriesPerSigner: 1 });
    for (const number of [1, 2, 3]) await guard.admit(envelopeAt(clock, { signer: signerOf(number) }));
    const error = await failureOf(() => guard.admit(envelopeAt(clock, { signer: signerOf(4) })));
    expect(IdentityError.is(error, 'GUARD_FULL') && [error.data, error.retryable]).toEqual([
      { scope: 'all', limit: 3 },
      true,
    ]);
    expect(guard.size).toBe(3);
    clock.advance(5 * minute + 1_000);
    expect(await codeOf(() => guard.admit(envelopeAt(clock, { signer: signerOf(4) })))).toBeUndefined();
    expect(guard.size).toBe(1);
  });

  test('are given back by a nonce that could not be written down', async () => {
    const clock = new FakeClock();
    const datastore = new HeldDatastore();
    const guard = await createReplayGuard({ clock, datastore, maxEntries: 1 });
    datastore.failure = new Error('disk full');
    const error = await failureOf(() => guard.admit(envelopeAt(clock)));
    expect(IdentityError.is(error, 'GUARD_UNAVAILABLE') && error.cause).toBe(datastore.failure);
    datastore.failure = undefined;
    expect(await codeOf(() => guard.admit(envelopeAt(clock)))).toBeUndefined();
    expect(await codeOf(() => guard.admit(envelopeAt(clock)))).toBe('REPLAYED');
  });
});

describe('a clock that is set', () => {
  test('back does not bring a forgotten nonce back to life', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock });
    const envelope = envelopeAt(clock);
    await guard.admit(envelope);
    clock.advance(6 * minute);
    expect(guard.size).toBe(0);
    clock.jump(-6 * minute);
    expect(await codeOf(() => guard.admit(envelope))).toBe('EXPIRED');
    clock.jump(-60 * minute);
    expect(await codeOf(() => guard.admit(envelope))).toBe('EXPIRED');
  });

  test('back does not stop new envelopes for longer than old ones would have lasted', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock });
    clock.advance(60 * minute);
    await guard.admit(envelopeAt(clock));
    clock.advance(6 * minute);
    clock.jump(-2 * minute);
    expect(await codeOf(() => guard.admit(envelopeAt(clock, { nonce: nonceOf(2) })))).toBeUndefined();
  });

  test('forward and back again forgets nothing', async () => {
    const clock = new FakeClock();
    const guard = await createReplayGuard({ clock });
    const envelope = envelopeAt(clock);
    await guard.admit(envelope);
    clock.jump(60 * minute);
    expect(guard.size).toBe(1);
    clock.jump(-60 * minute);
    expect(await codeOf(() => guard.admit(envelope))).toBe('REPLAYED');
  });

  test('back while the guard is down does not bring a nonce back that expired at its start', async () => {
    const clock = new FakeClock();
    const datastore = new MemoryDatastore();
    const first = await createReplayGuard({ clock, datastore });
    const envelope = envelopeAt(clock);
    await first.admit(envelope);
    await first.close();
    clock.jump(60 * minute);
    await (await createReplayGuard({ clock, datastore })).close();
    clock.jump(-60 * minute);
    const third = await createReplayGuard({ clock, datastore });
    expect(await codeOf(() => third.admit(envelope))).toBe('EXPIRED');
  });

  test('in any way, with restarts at any time, lets no nonce pass twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({ act: fc.constant('advance' as const), ms: fc.nat({ max: 10 * minute }) }),
            fc.record({
              act: fc.constant('jump' as const),
              ms: fc.integer({ min: -90 * minute, max: 90 * minute }),
            }),
            fc.record({
              act: fc.constant('sign' as const),
              nonce: fc.nat({ max: 5 }),
              ttlMs: fc.integer({ min: 1, max: 600_000 }),
            }),
            fc.record({ act: fc.constant('replay' as const), index: fc.nat() }),
            fc.record({ act: fc.constant('restart' as const) }),
          ),
          { minLength: 10, maxLength: 60 },
        ),
        fc.boolean(),
        async (acts, persists) => {
          const clock = new FakeClock();
          const datastore = new MemoryDatastore();
          const open = () => createReplayGuard({ clock, ...(persists && { datastore }) });
          let guard = await open();
          const signed: GuardedEnvelope[] = [];
          const accepted = new Map<string, number>();
          for (const act of acts) {
            if (act.act === 'advance') clock.advance(act.ms);
            if (act.act === 'jump') clock.jump(act.ms);
            if (act.act === 'restart') {
              await guard.close();
              // Without a datastore the start is all that protects, and it is as good as the clock.
              if (!persists) {
                accepted.clear();
                signed.length = 0;
              }
              guard = await open();
            }
            if (act.act === 'sign') {
              const timestampMs = clock.now();
              const expiresMs = timestampMs + act.ttlMs;
              signed.push({ signer: signerOf(1), nonce: nonceOf(act.nonce), timestampMs, expiresMs });
            }
            const replayed =
              act.act === 'replay' ? signed[act.index % Math.max(1, signed.length)] : undefined;
            const envelope = act.act === 'sign' ? signed.at(-1) : replayed;
            if (envelope === undefined || envelope.expiresMs <= clock.now()) continue;
            if ((await codeOf(() => guard.admit(envelope))) !== undefined) continue;
            // The same nonce may return once everything that was signed with it has ended.
            const validUntil = accepted.get(envelope.nonce) ?? Number.NEGATIVE_INFINITY;
            expect(envelope.expiresMs).toBeGreaterThan(validUntil);
            accepted.set(envelope.nonce, envelope.expiresMs);
          }
        },
      ),
      { numRuns: 500, seed: 30 },
    );
  });
});
