import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor, fromPromise } from 'xstate';
import { Controlled, createClock, settled } from '../../test/machines.ts';
import type { PlaceAnswer } from '../internal/relayNetwork.ts';
import {
  reservationMachine,
  type ReservationEmitted,
  type ReservationEvent,
  type ReservationInput,
} from './reservation.machine.ts';

const machines = recordFile();
const hourMs = 3_600_000;
const addresses = ['/ip4/192.0.2.1/tcp/4001/p2p/relay/p2p-circuit'];
const place = (leftMs = hourMs): PlaceAnswer => ({ kind: 'place', leftMs, addresses });
const full: PlaceAnswer = { kind: 'refused', reason: 'it is full' };

function begin(given: Partial<ReservationInput> = {}) {
  const clock = createClock();
  const connect = new Controlled<void>();
  const reserve = new Controlled<PlaceAnswer>();
  const machine = reservationMachine.provide({
    actors: { connect: connect.logic, reserve: reserve.logic },
  });
  const input = { isConfigured: true, seed: 5, ...given };
  const actor = createActor(machine, { input, clock, inspect: machines.inspect, id: 'reservation' });
  const told: ReservationEmitted[] = [];
  actor.on('*', (event) => told.push(event));
  actor.start();
  return { actor, clock, connect, reserve, told };
}

type Harness = ReturnType<typeof begin>;
type Act = (at: Harness) => Promise<void>;

const send =
  (event: ReservationEvent): Act =>
  async ({ actor }) => {
    actor.send(event);
    await settled();
  };
const ready = send({ type: 'relay.ready' });
const gone = send({ type: 'relay.gone', reason: 'closed' });
const named = send({ type: 'relay.named', isConfigured: true });
const wait =
  (ms: number): Act =>
  async ({ clock }) => {
    clock.increment(ms);
    await settled();
  };
const pause: Act = async (at) => wait(at.actor.getSnapshot().context.delayMs)(at);
const connected: Act = (at) => at.connect.resolve();
const answered =
  (answer: PlaceAnswer): Act =>
  (at) =>
    at.reserve.resolve(answer);
const unanswered: Act = (at) => at.reserve.reject();
const all =
  (...acts: readonly Act[]): Act =>
  async (at) => {
    for (const act of acts) await act(at);
  };

function stateOf({ actor }: Harness): string {
  const { value } = actor.getSnapshot();
  return typeof value === 'string' ? value : Object.entries(value).flat().join('.');
}

const reserved = all(connected, answered(place()));
/** Timers of a state begin with it. */
const lasted = all(reserved, wait(10_000), wait(20_000));
/** Before that a place of an hour is renewed. */
const renewalMs = 11 * 60_000;
const renewal = wait(renewalMs);

/** How each state is reached. */
const given = {
  connecting: () => settled(),
  reserving: connected,
  'reserved.fresh': reserved,
  'reserved.young': all(reserved, wait(10_000)),
  'reserved.steady': lasted,
  'reserved.renewing': all(lasted, renewal),
  'reserved.pausing': all(lasted, renewal, unanswered),
  waiting: (at: Harness) => at.connect.reject(),
} satisfies Record<string, Act>;

interface Row {
  readonly state: keyof typeof given;
  readonly act: string;
  readonly does: Act;
  readonly next: string;
}

const row = (state: Row['state'], act: string, does: Act) => ({
  to: (next: string): Row => ({ state, act, does, next }),
});

const table = [
  row('connecting', 'connected', connected).to('reserving'),
  row('connecting', 'failed', (at) => at.connect.reject()).to('waiting'),
  row('connecting', 'time', wait(10_000)).to('waiting'),
  row('connecting', 'ready', ready).to('connecting'),
  row('connecting', 'gone', gone).to('connecting'),
  row('connecting', 'named', named).to('connecting'),
  row('reserving', 'a place', answered(place())).to('reserved.fresh'),
  row('reserving', 'refused', answered(full)).to('waiting'),
  row('reserving', 'failed', unanswered).to('waiting'),
  row('reserving', 'time', wait(10_000)).to('waiting'),
  row('reserving', 'ready', ready).to('reserving'),
  row('reserving', 'gone', gone).to('reserving'),
  row('reserved.fresh', 'time', wait(10_000)).to('reserved.young'),
  row('reserved.fresh', 'ready', ready).to('reserved.fresh'),
  row('reserved.fresh', 'gone', gone).to('waiting'),
  row('reserved.fresh', 'named', named).to('reserved.fresh'),
  row('reserved.fresh', 'ready, time', all(ready, wait(10_000))).to('reserved.pausing'),
  row('reserved.young', 'time', wait(20_000)).to('reserved.steady'),
  row('reserved.young', 'ready', ready).to('reserved.pausing'),
  row('reserved.young', 'gone', gone).to('waiting'),
  row('reserved.steady', 'time', renewal).to('reserved.renewing'),
  row('reserved.steady', 'ready', ready).to('reserved.pausing'),
  row('reserved.steady', 'gone', gone).to('waiting'),
  row('reserved.renewing', 'a place', answered(place())).to('reserved.fresh'),
  row('reserved.renewing', 'refused', answered(full)).to('waiting'),
  row('reserved.renewing', 'failed', unanswered).to('reserved.pausing'),
  row('reserved.renewing', 'time', wait(10_000)).to('reserved.pausing'),
  row('reserved.renewing', 'gone', gone).to('waiting'),
  row('reserved.pausing', 'a pause', pause).to('reserved.renewing'),
  row('reserved.pausing', 'ready', ready).to('reserved.pausing'),
  row('reserved.pausing', 'ready, a pause', all(ready, pause)).to('reserved.renewing'),
  row('reserved.pausing', 'gone', gone).to('waiting'),
  row('waiting', 'a pause', pause).to('connecting'),
  row('waiting', 'ready', ready).to('waiting'),
  row('waiting', 'ready, a pause', all(ready, pause)).to('connecting'),
  row('waiting', 'gone', gone).to('waiting'),
];

describe('a reservation', () => {
  it.each(table)('$state: $act → $next', async ({ state, does, next }) => {
    const at = begin();
    await given[state](at);
    expect(stateOf(at)).toBe(state);
    await does(at);
    expect(stateOf(at)).toBe(next);
    at.actor.stop();
  });

  it('renews a place that lasts a minute only in time, and not before half a minute', async () => {
    const at = begin();
    await all(connected, answered(place(60_000)), wait(10_000), wait(20_000))(at);
    expect(stateOf(at)).toBe('reserved.steady');
    await wait(20_000)(at);
    expect(stateOf(at)).toBe('reserved.renewing');
    at.actor.stop();
  });

  it('asks a relay within a second that makes itself heard while there is a place, a while after that was given', async () => {
    const soon: Act = async (at) => {
      expect(at.actor.getSnapshot().context.delayMs).toBeLessThanOrEqual(1_000);
      await pause(at);
      expect(stateOf(at)).toBe('reserved.renewing');
      await answered(place())(at);
    };
    for (const reach of [all(reserved, ready, wait(10_000)), all(lasted, ready)]) {
      const at = begin();
      await all(reach, soon)(at);
      // Heard again: not within half a minute.
      await all(ready, wait(10_000), ready)(at);
      expect(stateOf(at)).toBe('reserved.young');
      await all(wait(20_000), soon)(at);
      at.actor.stop();
    }
  });

  it('asks a relay that makes itself heard after each failure once before its time, and then after a whole pause', async () => {
    for (const act of [(at: Harness) => at.connect.reject(), all(connected, answered(full))]) {
      const at = begin();
      const hurried: boolean[] = [];
      for (let failures = 0; failures < 8; failures++) {
        await act(at);
        const { delayMs } = at.actor.getSnapshot().context;
        await all(ready, ready)(at);
        hurried.push(at.actor.getSnapshot().context.delayMs !== delayMs);
        await pause(at);
      }
      expect(hurried).toEqual([true, false, true, false, true, false, true, false]);
      at.actor.stop();
    }
  });

  it('loses a place that could not be renewed when its time is over, and asks again', async () => {
    const at = begin();
    await given['reserved.renewing'](at);
    await wait(hourMs - 30_000 - renewalMs)(at);
    expect(stateOf(at)).toBe('waiting');
    expect(at.told.at(-1)).toMatchObject({ type: 'reservation.waiting', reason: 'it ran out' });
    at.actor.stop();
  });

  it('tells each place, and why there is none', async () => {
    const at = begin();
    await given['reserved.steady'](at);
    await gone(at);
    expect(at.told).toEqual([
      { type: 'reservation.made', leftMs: hourMs, addresses },
      { type: 'reservation.waiting', delayMs: expect.any(Number) as number, reason: 'closed' },
    ]);
    at.actor.stop();
  });

  it('asks again within a second when a place that lasted is lost, and later when it did not last', async () => {
    const [calm, flickered] = [begin(), begin()];
    await all(given['reserved.steady'], gone)(calm);
    await all(given['reserved.fresh'], gone)(flickered);
    expect(calm.actor.getSnapshot().context).toMatchObject({ failures: 0 });
    expect(calm.actor.getSnapshot().context.delayMs).toBeLessThanOrEqual(1_000);
    // Each place that does not last makes the pause longer.
    const pauses: number[] = [];
    for (const reach of [given['reserved.fresh'], given['reserved.young'], given['reserved.young']]) {
      pauses.push(flickered.actor.getSnapshot().context.delayMs);
      await all(pause, reach, gone)(flickered);
    }
    expect(flickered.actor.getSnapshot().context).toMatchObject({ failures: 4 });
    expect(flickered.actor.getSnapshot().context.delayMs).toBeGreaterThan(2 * pauses[0]!);
    for (const { actor } of [calm, flickered]) actor.stop();
  });

  it('pauses longer the longer a relay fails, a quarter of a minute at most', async () => {
    const at = begin();
    const pauses: number[] = [];
    for (let failures = 0; failures < 8; failures++) {
      await at.connect.reject();
      pauses.push(at.actor.getSnapshot().context.delayMs);
      await pause(at);
    }
    expect(pauses[0]).toBeGreaterThanOrEqual(450);
    expect(pauses[0]).toBeLessThanOrEqual(1_100);
    for (const last of pauses.slice(-3)) {
      expect(last).toBeGreaterThanOrEqual(6_750);
      expect(last).toBeLessThanOrEqual(15_000);
    }
    at.actor.stop();
  });

  it('pauses for much longer when it is refused, five minutes at most', async () => {
    const at = begin();
    for (let refusals = 0; refusals < 9; refusals++) {
      await all(connected, answered(full))(at);
      const { delayMs } = at.actor.getSnapshot().context;
      expect(delayMs).toBeGreaterThanOrEqual(13_500);
      expect(delayMs).toBeLessThanOrEqual(300_000);
      await pause(at);
    }
    at.actor.stop();
  });

  it.each([
    ['a second', 500, 60_000],
    ['a minute and more', 61_000, 61_000],
    ['no time at all', -5_000, 60_000],
    ['nonsense', Number.NaN, 60_000],
    ['a year', 365 * 24 * hourMs, 24 * hourMs],
  ])('takes a relay that promises %s at %i ms for %i ms', async (...[, leftMs, taken]) => {
    const at = begin();
    await all(connected, answered(place(leftMs)))(at);
    expect(at.told).toEqual([{ type: 'reservation.made', leftMs: taken, addresses }]);
    expect(at.actor.getSnapshot().context.renewMs).toBeLessThan(taken);
    expect(at.actor.getSnapshot().context.renewMs).toBeGreaterThan(40_000);
    at.actor.stop();
  });

  describe('at a relay that was found', () => {
    const found = { isConfigured: false };

    it.each([
      ['cannot be reached', (at: Harness) => at.connect.reject()],
      ['is full', all(connected, answered(full))],
      ['talks nonsense', all(connected, unanswered)],
    ] as const)('ends when it %s', async (...[, act]) => {
      const at = begin(found);
      await act(at);
      expect(stateOf(at)).toBe('ended');
    });

    it('ends after three failures in a row once there was a place', async () => {
      const at = begin(found);
      await all(given['reserved.steady'], gone, pause)(at);
      for (let failures = 0; failures < 2; failures++) {
        await at.connect.reject();
        expect(stateOf(at)).toBe('waiting');
        await pause(at);
      }
      await at.connect.reject();
      expect(stateOf(at)).toBe('ended');
    });

    it('goes on when the user names it', async () => {
      const at = begin(found);
      await all(named, given.waiting)(at);
      expect(stateOf(at)).toBe('waiting');
      at.actor.stop();
    });
  });

  it('keeps plain JSON as its context', async () => {
    const at = begin();
    await given['reserved.pausing'](at);
    const { context } = at.actor.getSnapshot();
    expect(JSON.parse(JSON.stringify(context))).toEqual(context);
    at.actor.stop();
  });

  it('leaves nothing behind when it is stopped, in any state', async () => {
    for (const reach of Object.values(given)) {
      const at = begin();
      await reach(at);
      at.actor.stop();
      expect([at.connect.open, at.reserve.open]).toEqual([0, 0]);
      const before = at.connect.calls.length + at.reserve.calls.length;
      at.clock.increment(10 * hourMs);
      expect(at.connect.calls.length + at.reserve.calls.length).toBe(before);
    }
  });

  it('needs its effects from the service', async () => {
    const withConnect = reservationMachine.provide({
      actors: { connect: fromPromise(async (): Promise<void> => undefined) },
    });
    for (const [machine, missing] of [
      [reservationMachine, 'connect'],
      [withConnect, 'reserve'],
    ] as const) {
      const actor = createActor(machine, { input: { isConfigured: true, seed: 5 }, clock: createClock() });
      actor.start();
      await settled();
      expect(actor.getSnapshot().context.lastFailure).toBe(`Provide ${missing}`);
      actor.stop();
    }
  });
});
