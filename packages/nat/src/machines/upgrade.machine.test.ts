import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor, fromPromise, SimulatedClock } from 'xstate';
import type { Agreed, Punched, UpgradeEmitted, UpgradeEvent } from '../internal/upgradeEvents.ts';
import { upgradeMachine } from './upgrade.machine.ts';

const machines = recordFile();
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An effect whose latest call ends when the test says so. */
class Effect<T> {
  readonly signals: AbortSignal[] = [];
  #call = Promise.withResolvers<T>();
  readonly logic = fromPromise<T, { readonly peerId: string }>(({ signal }) => {
    this.signals.push(signal);
    this.#call = Promise.withResolvers<T>();
    return this.#call.promise;
  });

  async end(output: T): Promise<void> {
    this.#call.resolve(output);
    await turn();
  }

  async fail(): Promise<void> {
    // In some rows nobody awaits it.
    this.#call.promise.catch(() => undefined);
    this.#call.reject(new Error('failed by the test'));
    await turn();
  }
}

function createWay({ isLead = true, isEnabled = true } = {}) {
  const [dial, agree, punch] = [new Effect<void>(), new Effect<Agreed>(), new Effect<Punched>()];
  const clock = new SimulatedClock();
  const machine = upgradeMachine.provide({
    actors: { dial: dial.logic, agree: agree.logic, punch: punch.logic },
  });
  const patienceMs = isLead ? 1_000 : 5_000;
  const input = { peerId: 'peer-1', isEnabled, isLead, patienceMs, attempt: 0, seed: 7 };
  const actor = createActor(machine, { clock, input, inspect: machines.inspect });
  const told: UpgradeEmitted[] = [];
  actor.on('*', (event) => told.push(event));
  actor.start();
  return { actor, clock, dial, agree, punch, told };
}
type Way = ReturnType<typeof createWay>;

const sends = (event: UpgradeEvent) => (way: Way) => way.actor.send(event);
const passes = (ms: number) => (way: Way) => {
  way.clock.increment(ms);
};
const begin: (way: Way) => unknown = sends({ type: 'upgrade.begin' });
const nothing: Punched = { reason: 'nothing came through' };

async function toAgreeing(way: Way): Promise<void> {
  if (way.actor.getSnapshot().context.isLead) {
    begin(way);
    await way.dial.fail();
  } else way.actor.send({ type: 'peer.leads' });
}
async function toPunching(way: Way): Promise<void> {
  await toAgreeing(way);
  await way.agree.end({ reason: null });
}
async function toLastPunch(way: Way): Promise<void> {
  await toPunching(way);
  for (let round = 1; round < 3; round++) {
    await way.punch.end(nothing);
    await way.agree.end({ reason: null });
  }
}

interface Situation {
  readonly config?: { readonly isLead?: boolean; readonly isEnabled?: boolean };
  readonly arrive: (way: Way) => unknown;
}

/** How each row of the table is reached. */
const situations = {
  waiting: { arrive: () => undefined },
  dialing: { arrive: begin },
  agreeing: { arrive: toAgreeing },
  punching: { arrive: toPunching },
  'punching the last time': { arrive: toLastPunch },
  direct: { arrive: sends({ type: 'peer.direct', isInbound: true }) },
  relayed: {
    arrive: async (way) => {
      await toAgreeing(way);
      await way.agree.fail();
    },
  },
  'following, waiting': { config: { isLead: false }, arrive: () => undefined },
  'following, dialing': { config: { isLead: false }, arrive: begin },
  'following, agreeing': { config: { isLead: false }, arrive: toAgreeing },
  'following, punching': { config: { isLead: false }, arrive: toPunching },
  'following, expecting': {
    config: { isLead: false },
    arrive: async (way) => {
      begin(way);
      await way.dial.fail();
    },
  },
  'following, answered and dialing': {
    config: { isLead: false },
    arrive: async (way) => {
      await toAgreeing(way);
      await way.agree.end({ reason: 'peer has no address to punch' });
    },
  },
  'following, relayed': {
    config: { isLead: false },
    arrive: async (way) => {
      begin(way);
      await way.dial.fail();
      way.clock.increment(3_000);
    },
  },
  disabled: { config: { isEnabled: false }, arrive: () => undefined },
} satisfies Record<string, Situation>;

/** What each column does. */
const happenings: Record<string, (way: Way) => unknown> = {
  'upgrade.begin': begin,
  'upgrade.retry': sends({ type: 'upgrade.retry' }),
  'peer.identified': sends({ type: 'peer.identified', isLead: true }),
  'peer.identified as called': sends({ type: 'peer.identified', isLead: false }),
  'peer.leads': sends({ type: 'peer.leads' }),
  'peer.direct inbound': sends({ type: 'peer.direct', isInbound: true }),
  'peer.direct outbound': sends({ type: 'peer.direct', isInbound: false }),
  'peer.relayed': sends({ type: 'peer.relayed' }),
  'peer.gone': sends({ type: 'peer.gone' }),
  'the dial ends': ({ dial }) => dial.end(),
  'the dial fails': ({ dial }) => dial.fail(),
  'it is agreed': ({ agree }) => agree.end({ reason: null }),
  'there is nothing to agree on': ({ agree }) => agree.end({ reason: 'peer has no address to punch' }),
  'agreeing fails': ({ agree }) => agree.fail(),
  'the punch opens nothing': ({ punch }) => punch.end(nothing),
  'the punch cannot work': ({ punch }) => punch.end({ reason: 'own NAT is symmetric' }),
  'the punch fails': ({ punch }) => punch.fail(),
  'a second passes': passes(1_000),
  'the time of a dial passes': passes(3_000),
  'the patience of a follower passes': passes(5_000),
  'the time of a punch passes': passes(6_000),
  'the time of agreeing passes': passes(10_000),
  'the rest passes': passes(33_000),
};

const always = {
  'peer.direct inbound': 'direct',
  'peer.direct outbound': 'direct',
  'peer.gone': 'ended',
};
const afterDial = (state: string): Record<string, string> => ({
  ...always,
  'peer.leads': 'agreeing',
  'the dial ends': state,
  'the dial fails': state,
  'the time of a dial passes': state,
  'the patience of a follower passes': state,
  'the time of a punch passes': state,
});
const afterPunch = (state: string): Record<string, string> => ({
  ...always,
  'peer.leads': 'agreeing',
  'the punch opens nothing': state,
  'the punch fails': state,
  'the time of a punch passes': state,
});

/** Situation x happening -> state. What is not listed changes nothing. */
const table: Record<keyof typeof situations, Readonly<Record<string, string>>> = {
  waiting: { ...always, 'upgrade.begin': 'dialing', 'peer.leads': 'agreeing' },
  dialing: {
    ...afterDial('agreeing'),
    'the time of agreeing passes': 'agreeing',
    'the rest passes': 'agreeing',
  },
  agreeing: {
    ...always,
    'it is agreed': 'punching',
    'there is nothing to agree on': 'relayed',
    'agreeing fails': 'relayed',
    'the time of agreeing passes': 'relayed',
    'the rest passes': 'relayed',
  },
  punching: {
    ...afterPunch('agreeing'),
    'the punch cannot work': 'relayed',
    'the time of agreeing passes': 'agreeing',
    'the rest passes': 'agreeing',
  },
  'punching the last time': {
    ...afterPunch('relayed'),
    'the punch cannot work': 'relayed',
    'the time of agreeing passes': 'relayed',
    'the rest passes': 'relayed',
  },
  direct: { 'peer.gone': 'ended', 'peer.relayed': 'waiting' },
  relayed: {
    ...always,
    'upgrade.retry': 'waiting',
    'peer.leads': 'agreeing',
    'the rest passes': 'waiting',
  },
  'following, waiting': { ...always, 'upgrade.begin': 'dialing', 'peer.leads': 'agreeing' },
  'following, dialing': {
    ...afterDial('expecting'),
    'the time of agreeing passes': 'expecting',
    'the rest passes': 'expecting',
  },
  'following, expecting': {
    ...always,
    'peer.identified': 'waiting',
    'peer.leads': 'agreeing',
    'the time of a dial passes': 'relayed',
    'the patience of a follower passes': 'relayed',
    'the time of a punch passes': 'relayed',
    'the time of agreeing passes': 'relayed',
    'the rest passes': 'relayed',
  },
  'following, answered and dialing': {
    ...afterDial('relayed'),
    'the time of agreeing passes': 'relayed',
    'the rest passes': 'relayed',
  },
  'following, agreeing': {
    ...always,
    'it is agreed': 'punching',
    'there is nothing to agree on': 'dialing',
    'agreeing fails': 'waiting',
    'the time of agreeing passes': 'waiting',
    'the rest passes': 'waiting',
  },
  'following, punching': {
    ...afterPunch('waiting'),
    'the punch cannot work': 'waiting',
    'the time of agreeing passes': 'waiting',
    'the rest passes': 'waiting',
  },
  'following, relayed': {
    ...always,
    'upgrade.retry': 'waiting',
    'peer.leads': 'agreeing',
    'the rest passes': 'waiting',
  },
  disabled: { ...always },
};

const stateOf = ({ actor }: Way): string => actor.getSnapshot().value;
const rows = Object.keys(situations).flatMap((from) =>
  Object.keys(happenings).map((event) => ({ from: from as keyof typeof situations, event })),
);

describe('the way from relayed to direct', () => {
  it.each(rows)('is where the table says: $from, $event', async ({ from, event }) => {
    const situation: Situation = situations[from];
    const way = createWay(situation.config);
    await situation.arrive(way);
    const before = stateOf(way);
    await happenings[event]?.(way);
    expect(stateOf(way)).toBe(table[from][event] ?? before);
    way.actor.stop();
  });

  it('says how the connection came to be direct', async () => {
    const ways = await Promise.all(
      [
        { arrive: begin, isInbound: false },
        { arrive: begin, isInbound: true },
        { arrive: toPunching, isInbound: true },
      ].map(async ({ arrive, isInbound }) => {
        const way = createWay();
        await arrive(way);
        way.actor.send({ type: 'peer.direct', isInbound });
        way.actor.stop();
        return way.told.at(-1);
      }),
    );
    expect(ways).toEqual([
      { type: 'upgrade.done', how: 'dialed' },
      { type: 'upgrade.done', how: 'reversed' },
      { type: 'upgrade.done', how: 'punched' },
    ]);
  });

  it('begins at once when the addresses of a peer that has dialled are known, and lets a dialled peer act first', () => {
    const [lead, follow] = [createWay(), createWay({ isLead: false })];
    lead.actor.send({ type: 'peer.identified', isLead: true });
    follow.actor.send({ type: 'peer.identified', isLead: false });
    expect(lead.told).toEqual([{ type: 'upgrade.wanted' }]);
    follow.clock.increment(4_999);
    expect(follow.told).toEqual([]);
    follow.clock.increment(1);
    expect(follow.told).toEqual([{ type: 'upgrade.wanted' }]);
    for (const { actor } of [lead, follow]) actor.stop();
  });

  it('rests twice as long after each attempt that came to nothing, up to ten minutes, and 30 s again after a success', async () => {
    const way = createWay();
    const rests: number[] = [];
    const failOnce = async (): Promise<void> => {
      begin(way);
      await way.dial.fail();
      await way.agree.fail();
      rests.push(way.actor.getSnapshot().context.restMs);
      way.actor.send({ type: 'upgrade.retry' });
    };
    for (let attempt = 0; attempt < 7; attempt++) await failOnce();
    way.actor.send({ type: 'peer.direct', isInbound: false });
    way.actor.send({ type: 'peer.relayed' });
    await failOnce();
    const doublings = rests.map((ms) => 2 ** Math.round(Math.log2(ms / 30_000)));
    expect(doublings).toEqual([1, 2, 4, 8, 16, 16, 16, 1]);
    expect(Math.max(...rests)).toBeLessThanOrEqual(600_000);
    way.actor.stop();
  });

  it('says why it stays relayed, by what the last attempt has shown', async () => {
    const way = createWay();
    await toLastPunch(way);
    await way.punch.end(nothing);
    const off = createWay({ isEnabled: false });
    expect(way.told.at(-1)).toMatchObject({ type: 'upgrade.failed', reason: 'nothing came through' });
    expect(off.told).toEqual([{ type: 'upgrade.failed', reason: 'disabled', restMs: null }]);
    for (const { actor } of [way, off]) actor.stop();
  });

  it('gives its effects up when it is stopped, and tells nothing more', async () => {
    for (const arrive of [begin, toAgreeing, toPunching]) {
      const way = createWay();
      await arrive(way);
      const count = way.told.length;
      way.actor.stop();
      way.clock.increment(60_000);
      const signals = [way.dial, way.agree, way.punch].flatMap((effect) => effect.signals.at(-1) ?? []);
      expect(signals.at(-1)?.aborted).toBe(true);
      expect(way.told).toHaveLength(count);
    }
  });
});
