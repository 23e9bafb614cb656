import { recordFile } from '@lloom/inspector/vitest';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { Controlled, createClock, settled } from '../../test/machines.ts';
import { subscriptionMachine, type SubscriptionEmitted } from './subscription.machine.ts';

const machines = recordFile();
const enough = 4;
const links = (topicPeers: number, meshPeers = topicPeers) => ({ topicPeers, meshPeers, enough });

function begin(first = links(0)) {
  const clock = createClock();
  const search = new Controlled<void, { readonly topic: string }>();
  const machine = subscriptionMachine.provide({ actors: { search: search.logic } });
  const input = { topic: 'a', links: first, heartbeatIntervalMs: 1_000, degradedAfterMs: 10_000, seed: 5 };
  const actor = createActor(machine, { input, clock, inspect: machines.inspect, id: 'subscription:a' });
  const told: SubscriptionEmitted[] = [];
  actor.on('*', (event) => told.push(event));
  actor.start();
  return { actor, clock, search, told };
}

type Harness = ReturnType<typeof begin>;

const become = (topicPeers: number, meshPeers?: number) => async (at: Harness) => {
  at.actor.send({ type: 'links.changed', links: links(topicPeers, meshPeers) });
  await settled();
};
const leave = async (at: Harness): Promise<void> => {
  at.actor.send({ type: 'subscription.leave' });
  await settled();
};
const wait = (ms: number) => async (at: Harness) => {
  at.clock.increment(ms);
  await settled();
};
/** As long as the machine itself pauses. */
const pause = async (at: Harness): Promise<void> => wait(at.actor.getSnapshot().context.pauseMs)(at);

function stateOf({ actor }: Harness): string {
  const { value } = actor.getSnapshot();
  return typeof value === 'string' ? value : Object.entries(value).flat().join('.');
}

/** How each state is reached. */
const given = {
  'joining.resting': () => settled(),
  'joining.seeking': pause,
  'healthy.narrow': become(2),
  'healthy.seeking': async (at: Harness) => {
    await become(2)(at);
    await pause(at);
  },
  'healthy.wide': become(4),
  'thinning.resting': async (at: Harness) => {
    await become(4)(at);
    await become(0)(at);
  },
  'thinning.seeking': async (at: Harness) => {
    await given['thinning.resting'](at);
    await pause(at);
  },
  'degraded.resting': wait(10_000),
  'degraded.seeking': async (at: Harness) => {
    await wait(10_000)(at);
    await pause(at);
  },
};

interface Row {
  readonly state: keyof typeof given;
  readonly act: string;
  readonly does: (at: Harness) => Promise<void>;
  readonly next: string;
}

const row = (state: Row['state'], act: string, does: Row['does']) => ({
  to: (next: string): Row => ({ state, act, does, next }),
});

const found = (at: Harness): Promise<void> => at.search.resolve(undefined);
const failed = (at: Harness): Promise<void> => at.search.reject();

const table = [
  row('joining.resting', 'two heartbeats', wait(2_200)).to('joining.seeking'),
  row('joining.resting', 'less', wait(1_799)).to('joining.resting'),
  row('joining.resting', 'one peer in the mesh', become(1)).to('healthy.narrow'),
  row('joining.resting', 'enough peers in the mesh', become(4)).to('healthy.wide'),
  row('joining.resting', 'peers without a mesh', become(5, 0)).to('joining.resting'),
  row('joining.resting', 'time', wait(10_000)).to('degraded.resting'),
  row('joining.resting', 'leave', leave).to('left'),
  row('joining.seeking', 'found', found).to('joining.resting'),
  row('joining.seeking', 'failed', failed).to('joining.resting'),
  row('joining.seeking', 'one peer in the mesh', become(1)).to('healthy.narrow'),
  row('joining.seeking', 'time', wait(10_000)).to('degraded.resting'),
  row('joining.seeking', 'leave', leave).to('left'),
  row('healthy.narrow', 'more peers', become(4)).to('healthy.wide'),
  row('healthy.narrow', 'a pause', pause).to('healthy.seeking'),
  row('healthy.narrow', 'nobody', become(0)).to('thinning.resting'),
  row('healthy.narrow', 'leave', leave).to('left'),
  row('healthy.seeking', 'found', found).to('healthy.narrow'),
  row('healthy.seeking', 'failed', failed).to('healthy.narrow'),
  row('healthy.seeking', 'nobody', become(0)).to('thinning.resting'),
  row('healthy.seeking', 'leave', leave).to('left'),
  row('healthy.wide', 'fewer peers', become(3)).to('healthy.narrow'),
  row('healthy.wide', 'fewer in the mesh', become(9, 3)).to('thinning.resting'),
  row('healthy.wide', 'time', wait(600_000)).to('healthy.wide'),
  row('healthy.wide', 'leave', leave).to('left'),
  row('thinning.resting', 'mended', become(4)).to('healthy.wide'),
  row('thinning.resting', 'a pause', pause).to('thinning.seeking'),
  row('thinning.resting', 'time', wait(10_000)).to('degraded.resting'),
  row('thinning.resting', 'leave', leave).to('left'),
  row('thinning.seeking', 'found', found).to('thinning.resting'),
  row('thinning.seeking', 'failed', failed).to('thinning.resting'),
  row('thinning.seeking', 'mended', become(4)).to('healthy.wide'),
  row('thinning.seeking', 'time', wait(10_000)).to('degraded.resting'),
  row('degraded.resting', 'mended', become(1)).to('healthy.narrow'),
  row('degraded.resting', 'another lack', become(1, 0)).to('degraded.resting'),
  row('degraded.resting', 'a pause', pause).to('degraded.seeking'),
  row('degraded.resting', 'more peers than help', become(32, 0)).to('degraded.resting'),
  row('degraded.resting', 'leave', leave).to('left'),
  row('degraded.seeking', 'found', found).to('degraded.resting'),
  row('degraded.seeking', 'failed', failed).to('degraded.resting'),
  row('degraded.seeking', 'mended', become(4)).to('healthy.wide'),
  row('degraded.seeking', 'another lack', become(9, 0)).to('degraded.seeking'),
];

describe('a subscription', () => {
  it.each(table)('$state: $act → $next', async ({ state, does, next }) => {
    const at = begin();
    await given[state](at);
    expect(stateOf(at)).toBe(state);
    await does(at);
    expect(stateOf(at)).toBe(next);
    at.actor.stop();
  });

  it('is healthy at once where the mesh stands already', () => {
    const at = begin(links(4));
    expect(stateOf(at)).toBe('healthy.wide');
    at.actor.stop();
  });

  it.each([
    ['joining', 9, 'others may make the mesh'],
    ['thinning', 9, 'others may make the mesh'],
    ['degraded', 32, 'more would make none either'],
  ] as const)('looks for nobody while it is %s and %i peers make no mesh: %s', async (...[state, peers]) => {
    const at = begin();
    await given[`${state}.resting`](at);
    await become(peers, 0)(at);
    const { length } = at.search.calls;
    for (let pauses = 0; pauses < 3; pauses++) await pause(at);
    expect(at.search.calls).toHaveLength(length);
    at.actor.stop();
  });

  it('tells a lack once, another one again, and when it is over', async () => {
    const at = begin();
    await given['degraded.resting'](at);
    await become(0)(at);
    await become(3, 0)(at);
    await become(3, 2)(at);
    await become(3)(at);
    expect(at.told).toEqual([
      { type: 'subscription.degraded', reason: 'NO_PEERS', links: links(0) },
      { type: 'subscription.degraded', reason: 'NO_MESH', links: links(3, 0) },
      { type: 'subscription.degraded', reason: 'THIN_MESH', links: links(3, 2) },
      { type: 'subscription.recovered', reason: 'THIN_MESH' },
    ]);
    at.actor.stop();
  });

  it('tells nothing of a lack that is mended in time', async () => {
    const at = begin();
    await given['thinning.resting'](at);
    await wait(9_999)(at);
    await become(4)(at);
    expect(at.told).toEqual([]);
    at.actor.stop();
  });

  it('looks for more peers ever less often, every five minutes in the end', async () => {
    const at = begin();
    await given['healthy.narrow'](at);
    const pauses: number[] = [];
    for (let searches = 0; searches < 12; searches++) {
      pauses.push(at.actor.getSnapshot().context.pauseMs);
      await pause(at);
      await at.search.resolve(undefined);
    }
    expect(pauses[0]).toBeLessThanOrEqual(2_200);
    expect(pauses[3]).toBeGreaterThanOrEqual(14_400);
    for (const last of pauses.slice(-3)) {
      expect(last).toBeGreaterThanOrEqual(270_000);
      expect(last).toBeLessThanOrEqual(300_000);
    }
    at.actor.stop();
  });

  it('looks soon when it becomes degraded, and every half a minute at least', async () => {
    const at = begin();
    await given['degraded.resting'](at);
    expect(at.actor.getSnapshot().context.pauseMs).toBeLessThanOrEqual(2_200);
    for (let searches = 0; searches < 9; searches++) {
      await pause(at);
      await at.search.resolve(undefined);
      expect(at.actor.getSnapshot().context.pauseMs).toBeLessThanOrEqual(30_000);
    }
    at.actor.stop();
  });

  it('goes on looking where enough peers are there and it is told that none is in the mesh, ever less often', async () => {
    const at = begin(links(4, 0));
    await given['degraded.resting'](at);
    const pauses: number[] = [];
    for (let searches = 1; searches < 9; searches++) {
      pauses.push(at.actor.getSnapshot().context.pauseMs);
      await pause(at);
      expect(at.search.calls).toHaveLength(searches);
      await at.search.resolve(undefined);
    }
    expect(pauses[0]).toBeLessThanOrEqual(2_200);
    for (const [n, next] of pauses.slice(1, 4).entries()) expect(next).toBeGreaterThan(pauses[n] ?? next);
    expect(pauses.at(-1)).toBeGreaterThanOrEqual(27_000);
    at.actor.stop();
  });

  it('names its topic to the search', async () => {
    const at = begin();
    await pause(at);
    expect(at.search.last.input).toEqual({ topic: 'a' });
    at.actor.stop();
  });

  it('keeps plain JSON as its context', () => {
    const { actor } = begin();
    const { context } = actor.getSnapshot();
    expect(JSON.parse(JSON.stringify(context))).toEqual(context);
    actor.stop();
  });

  it('leaves nothing behind when it is stopped, in any state', async () => {
    for (const reach of Object.values(given)) {
      const at = begin();
      await reach(at);
      at.actor.stop();
      expect(at.search.open).toBe(0);
      const { length } = at.search.calls;
      at.clock.increment(600_000);
      expect(at.search.calls).toHaveLength(length);
    }
  });

  it('needs its effect from the service', async () => {
    const input = {
      topic: 'a',
      links: links(0),
      heartbeatIntervalMs: 1_000,
      degradedAfterMs: 60_000,
      seed: 5,
    };
    const clock = createClock();
    const actor = createActor(subscriptionMachine, { input, clock });
    actor.start();
    clock.increment(2_200);
    await settled();
    expect(actor.getSnapshot().value).toEqual({ joining: 'resting' });
    actor.stop();
  });
});
