import { test } from '@lloom/inspector/vitest';
import { seededRandom, VirtualClock } from '@lloom/simkit';
import { describe, expect } from 'vitest';
import { Breakers, type BreakerLimits, type BreakerPorts } from './callBreakers.ts';
import { breakerMachine } from './machines/breaker.machine.ts';

const limits: BreakerLimits = { avoidAfterFailures: 3, avoidMs: 1_000, maxAvoidMs: 3_000 };

function breakersOf(changes: Partial<BreakerLimits> = {}, ports: Partial<BreakerPorts> = {}) {
  const clock = new VirtualClock();
  const told: string[] = [];
  const onChange: BreakerPorts['onChange'] = (peerId, state) => void told.push(`${peerId} ${state}`);
  const breakers = new Breakers({ ...limits, ...changes }, { clock, onChange, ...ports });
  const fail = (peerId: string, count = 3): void => {
    for (let failure = 0; failure < count; failure++) breakers.failed(peerId);
  };
  /** How long the peer is left alone each time when every probe fails. */
  const avoidances = async (peerId: string, count: number): Promise<number[]> => {
    const found: number[] = [];
    for (let time = 0; time < count; time++) {
      const waitMs = breakers.check(peerId);
      found.push(waitMs);
      await clock.runFor(waitMs);
      expect(breakers.check(peerId)).toBe(0);
      breakers.failed(peerId);
    }
    return found;
  };
  return { breakers, clock, told, fail, avoidances };
}

describe('a peer', () => {
  test('is asked until it has failed too often in a row', () => {
    const { breakers, fail } = breakersOf();
    fail('a', 2);
    expect([breakers.check('a'), breakers.isAvoided('a')]).toEqual([0, false]);
    breakers.succeeded('a');
    fail('a', 2);
    expect(breakers.check('a')).toBe(0);
    fail('a', 1);
    expect([breakers.check('a'), breakers.isAvoided('a')]).toEqual([1_000, true]);
    expect([breakers.check('b'), breakers.isAvoided('b')]).toEqual([0, false]);
  });

  test('is left alone for as long as it is said, also to the fraction of a ms', async () => {
    const { breakers, clock, fail } = breakersOf();
    fail('a');
    await clock.runFor(600.5);
    expect(breakers.check('a')).toBe(400);
    await clock.runFor(399.25);
    expect(breakers.check('a')).toBe(1);
    await clock.runFor(0.25);
    expect(breakers.check('a')).toBe(0);
  });

  test('takes one probe, and is a bad choice for others meanwhile', async () => {
    const { breakers, clock, fail } = breakersOf();
    fail('a');
    await clock.runFor(1_000);
    expect([breakers.isAvoided('a'), breakers.isAvoided('a')]).toEqual([false, false]);
    expect([breakers.check('a'), breakers.check('a'), breakers.isAvoided('a')]).toEqual([0, 1_000, true]);
  });

  test('is asked by all again when the probe succeeds, and by nobody when it fails', async () => {
    const { breakers, clock, told, fail } = breakersOf();
    fail('a');
    await clock.runFor(1_000);
    breakers.check('a');
    breakers.failed('a');
    expect(breakers.check('a')).toBe(2_000);
    await clock.runFor(2_000);
    breakers.check('a');
    breakers.succeeded('a');
    expect([breakers.check('a'), breakers.check('a'), breakers.isAvoided('a')]).toEqual([0, 0, false]);
    expect(told).toEqual(
      ['open', 'halfOpen', 'probing', 'open', 'halfOpen', 'probing', 'closed'].map((state) => `a ${state}`),
    );
    expect(clock.pending).toBe(0);
  });

  test('is left alone twice as long each time, up to the most, and from the start after a success', async () => {
    const { breakers, fail, avoidances } = breakersOf();
    fail('a');
    expect(await avoidances('a', 4)).toEqual([1_000, 2_000, 3_000, 3_000]);
    breakers.succeeded('a');
    fail('a');
    expect(await avoidances('a', 1)).toEqual([1_000]);
  });

  test('is never left alone longer than the most, also the first time', () => {
    const { breakers, fail } = breakersOf({ maxAvoidMs: 200 });
    fail('a');
    expect(breakers.check('a')).toBe(200);
  });

  test('is not left alone longer for what fails while it is', async () => {
    const { breakers, clock, fail, avoidances } = breakersOf();
    fail('a', 50);
    await clock.runFor(400);
    fail('a', 50);
    expect(breakers.check('a')).toBe(600);
    expect(await avoidances('a', 2)).toEqual([600, 2_000]);
  });

  test('is asked again at once when something succeeds that was asked before', async () => {
    const { breakers, clock, fail } = breakersOf();
    fail('a');
    breakers.succeeded('a');
    expect([breakers.check('a'), clock.pending]).toEqual([0, 0]);
  });

  test('takes another probe when the first says nothing', async () => {
    const { breakers, clock, fail } = breakersOf();
    fail('a');
    await clock.runFor(1_000);
    breakers.check('a');
    breakers.undecided('a');
    expect([breakers.check('a'), breakers.check('a')]).toEqual([0, 1_000]);
  });

  test('takes another probe when the first takes too long, and is never shut out by one that is forgotten', async () => {
    const { breakers, clock, fail } = breakersOf();
    fail('a');
    await clock.runFor(1_000);
    breakers.check('a');
    await clock.runFor(999);
    expect(breakers.check('a')).toBe(1_000);
    await clock.runFor(1);
    expect([breakers.check('a'), breakers.check('a')]).toEqual([0, 1_000]);
  });

  test('is left alone again when something fails before the probe', async () => {
    const { breakers, clock, fail } = breakersOf();
    fail('a');
    await clock.runFor(1_000);
    fail('a', 1);
    expect(breakers.check('a')).toBe(2_000);
  });

  test.each([1, 0])(
    'with a limit of %i failures is left alone after so many; with 0 never',
    (avoidAfterFailures) => {
      const { breakers, fail, clock } = breakersOf({ avoidAfterFailures });
      fail('a', avoidAfterFailures === 0 ? 1_000 : 1);
      expect(breakers.check('a')).toBe(avoidAfterFailures * 1_000);
      expect(clock.pending).toBe(avoidAfterFailures);
    },
  );

  test('that nothing is known of changes nothing with a success, and with nothing', () => {
    const { breakers, told, clock } = breakersOf();
    breakers.succeeded('a');
    breakers.undecided('a');
    breakers.failed('a');
    breakers.undecided('a');
    expect([breakers.check('a'), told, clock.pending]).toEqual([0, [], 0]);
  });
});

describe('a busy peer', () => {
  test('is a bad choice until its time is over, but may be asked', async () => {
    const { breakers, clock } = breakersOf();
    breakers.busy('a', 700);
    expect([breakers.check('a'), breakers.isAvoided('a')]).toEqual([0, true]);
    await clock.runFor(699);
    expect(breakers.isAvoided('a')).toBe(true);
    await clock.runFor(1);
    expect(breakers.isAvoided('a')).toBe(false);
  });

  test('is believed for an hour at most, and by its last word', async () => {
    const { breakers, clock } = breakersOf({ avoidAfterFailures: 0 });
    breakers.busy('a', Infinity);
    breakers.busy('b', 9_000);
    breakers.busy('b', 100);
    breakers.busy('c', -1);
    breakers.busy('c', NaN);
    expect(['a', 'b', 'c'].map((peer) => breakers.isAvoided(peer))).toEqual([true, true, false]);
    await clock.runFor(100);
    expect(breakers.isAvoided('b')).toBe(false);
    await clock.runFor(3_599_900);
    expect(breakers.isAvoided('a')).toBe(false);
  });

  test('has failed no more when it succeeds, and is still busy', async () => {
    const { breakers, clock, fail } = breakersOf();
    fail('a');
    breakers.busy('a', 500);
    breakers.succeeded('a');
    expect([breakers.check('a'), breakers.isAvoided('a'), clock.pending]).toEqual([0, true, 0]);
    fail('a', 2);
    expect(breakers.check('a')).toBe(0);
    fail('a', 1);
    expect(breakers.check('a')).toBe(1_000);
    breakers.succeeded('a');
    await clock.runFor(500);
    breakers.succeeded('a');
    expect(breakers.isAvoided('a')).toBe(false);
  });
});

describe('what is known of peers', () => {
  test('is of 1,024 at most: the one that failed longest ago is forgotten first', () => {
    const { breakers, clock, fail } = breakersOf();
    for (let peer = 0; peer < 1_024; peer++) fail(`peer${peer}`, peer === 0 ? 2 : 3);
    // Has failed lately once more.
    fail('peer0', 1);
    for (let peer = 0; peer < 10; peer++) breakers.busy(`new${peer}`, 1_000);
    expect(clock.pending).toBe(1_024 - 10);
    const known = ['peer0', 'peer1', 'peer10', 'peer11', 'new9'].map((peer) => breakers.isAvoided(peer));
    expect(known).toEqual([true, false, false, true, true]);
  });

  test('leaves no timer behind when it is stopped, and begins anew', () => {
    const { breakers, clock, told, fail } = breakersOf();
    for (const peer of ['a', 'b', 'c']) fail(peer);
    breakers.busy('d', 1_000);
    breakers.stop();
    expect([clock.pending, told.length]).toEqual([0, 3]);
    expect(['a', 'd'].map((peer) => breakers.isAvoided(peer))).toEqual([false, false]);
    fail('a', 2);
    expect(breakers.check('a')).toBe(0);
    breakers.stop();
  });

  test('ends where it is watched as soon as a peer works', ({ machines }) => {
    const { breakers, fail } = breakersOf({}, { inspect: machines.inspect });
    fail('a');
    breakers.succeeded('a');
    expect(machines.coverage(breakerMachine).missed).not.toContain('(root) peer.forget → forgotten');
  });

  test('can be watched, and changes nothing by that', async ({ machines }) => {
    const seen = await Promise.all(
      [{}, { inspect: machines.inspect }].map(async (ports) => {
        const { breakers, clock, told, fail } = breakersOf({}, ports);
        const random = seededRandom('breakers');
        const checks: unknown[] = [];
        for (let step = 0; step < 250; step++) {
          const peer = `peer${Math.floor(random.float() * 3)}`;
          const [act, amount] = [Math.floor(random.float() * 5), random.float()];
          if (act === 0) fail(peer, 1 + Math.floor(amount * 3));
          if (act === 1 && amount < 0.2) breakers.succeeded(peer);
          if (act === 2) breakers.undecided(peer);
          if (act === 3) breakers.busy(peer, amount * 2_000);
          if (act === 4) await clock.runFor(amount * 1_500);
          checks.push(breakers.isAvoided(peer), breakers.check(peer), clock.pending);
        }
        breakers.stop();
        expect(clock.pending).toBe(0);
        return { told, checks };
      }),
    );
    expect(seen[1]).toEqual(seen[0]);
    expect(new Set(seen[0]?.told).size).toBe(12);
    expect(JSON.stringify(machines.run())).toContain('breaker:peer0');
  });
});
