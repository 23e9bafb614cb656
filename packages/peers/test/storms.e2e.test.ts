import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { draw, systemClock, type Clock, type Inspector } from '@lloom/core';
import type { AnyActorRef, InspectedActorEvent } from 'xstate';

import type { PeersError } from '../src/index.ts';
import {
  addressOf,
  areConnected,
  cleanUp,
  connectionsOf,
  createNode,
  dial,
  idOf,
  until,
  type Node,
} from './nodes.ts';

afterEach(cleanUp);

describe('two nodes that dial each other at the same time', () => {
  it('keep the same single connection', async () => {
    const config = { maxConnectionsPerPeer: 1 };
    for (let round = 0; round < 10; round += 1) {
      const [a, b] = await Promise.all([createNode(config), createNode(config)]);
      const [lesser, greater] = idOf(a) < idOf(b) ? [a, b] : [b, a];
      await Promise.all([
        a.services.peers.dialPeer(idOf(b), [addressOf(b)]),
        b.services.peers.dialPeer(idOf(a), [addressOf(a)]),
      ]);
      await until([a, b], () => {
        const [one, other] = [connectionsOf(lesser, greater), connectionsOf(greater, lesser)];
        return one.length === 1 && other.length === 1 && one[0]?.direction !== other[0]?.direction;
      });
    }
  });
});

describe('a storm', () => {
  it('of thirty nodes of one address is let in as far as there is room, and the others learn it', async () => {
    const a = await createNode({ maxConnections: 20 });
    const others = await Promise.all(Array.from({ length: 30 }, () => createNode()));
    let [open, mostOpen] = [0, 0];
    a.services.peers.addEventListener(
      'connection:established',
      () => (mostOpen = Math.max(mostOpen, ++open)),
    );
    a.services.peers.addEventListener('connection:closed', () => (open -= 1));
    const outcomes = await Promise.all(
      others.map(async (other) =>
        dial(other, a).then(
          () => 'DIALLED',
          ({ code }: PeersError) => code,
        ),
      ),
    );
    expect(new Set(outcomes)).toEqual(new Set(['DIALLED', 'DIAL_FAILED']));
    const inside = (): number => others.filter((other) => areConnected(a, other)).length;
    await until([a, ...others], () => inside() === 20 && others.every((other) => agree(a, other)));
    expect(mostOpen).toBe(20);

    a.services.peers.setConnectionLimits({ maxConnections: 30 });
    await Promise.all(others.map((other) => dial(other, a)));
    await until([a, ...others], () => inside() === 30);
  });

  it.each([1, 2, 3])(
    'of dials, ends and bans leaves all views the same, and nothing behind (seed %i)',
    async (seed) => {
      const leftovers = watchLeftovers();
      const config = { disconnectCooldownMs: 0, ...leftovers.ports };
      const nodes = await Promise.all(Array.from({ length: 5 }, () => createNode(config)));
      let state = seed;
      const below = (limit: number): number => {
        const { chance, seed: following } = draw(state);
        state = following;
        return Math.floor(chance * limit);
      };
      const acts: ((from: Node, to: Node) => Promise<unknown>)[] = [
        dial,
        dial,
        dial,
        ({ services }, to) => services.peers.disconnectPeer(to.peerId),
        ({ services }, to) => services.peers.banPeer(to.peerId, 3_600_000),
        ({ services }, to) => services.peers.unbanPeer(to.peerId),
      ];
      const codes = new Set<string>();
      const running: Promise<unknown>[] = [];
      for (let step = 0; step < 120; step += 1) {
        const from = below(nodes.length);
        const to = (from + 1 + below(nodes.length - 1)) % nodes.length;
        const act = acts[below(acts.length)]!;
        running.push(act(nodes[from]!, nodes[to]!).catch((error: PeersError) => codes.add(error.code)));
        if (below(3) === 0) await Promise.race(running.slice(-3));
      }
      await Promise.all(running);
      for (const code of codes) expect(['BANNED', 'CANCELLED', 'DIAL_FAILED']).toContain(code);

      const pairs = nodes.flatMap((one, at) => nodes.slice(at + 1).map((other) => [one, other] as const));
      await until(nodes, () => pairs.every(([one, other]) => agree(one, other)));
      for (const [one, other] of pairs) {
        await one.services.peers.unbanPeer(other.peerId);
        await other.services.peers.unbanPeer(one.peerId);
      }
      await Promise.all(pairs.map(([one, other]) => dial(one, other)));
      await until(nodes, () => pairs.every(([one, other]) => agree(one, other) && areConnected(one, other)));
      await Promise.all(nodes.map(async (node) => node.stop()));
      expect(nodes.flatMap((node) => node.getConnections())).toEqual([]);
      expect(leftovers.machines()).toEqual([]);
      expect(leftovers.timers()).toBe(0);
    },
  );
});

/** Whether both know of the same connections between them. */
function agree(one: Node, other: Node): boolean {
  const [ofOne, ofOther] = [connectionsOf(one, other), connectionsOf(other, one)];
  const opposite = { inbound: 'outbound', outbound: 'inbound' } as const;
  const seen = ofOther.map(({ direction }) => opposite[direction]).toSorted();
  return isDeepStrictEqual(ofOne.map(({ direction }) => direction).toSorted(), seen);
}

/** Ports that tell which machines and timers have not ended. */
function watchLeftovers() {
  const actors = new Set<AnyActorRef>();
  const timers = new Set<unknown>();
  const clock: Clock = {
    ...systemClock,
    setTimeout: (fn, ms) => {
      const timer = systemClock.setTimeout(() => {
        timers.delete(timer);
        fn();
      }, ms);
      timers.add(timer);
      return timer;
    },
    clearTimeout: (timer) => {
      timers.delete(timer);
      systemClock.clearTimeout(timer);
    },
  };
  const inspect: Inspector = (event) => {
    if (event.type === '@xstate.actor') actors.add((event as InspectedActorEvent).actorRef as AnyActorRef);
  };
  return {
    ports: { clock, inspect },
    machines: (): string[] =>
      [...actors]
        .filter((actor) => (actor.getSnapshot() as { status: string }).status === 'active')
        .map(({ id }) => id),
    timers: (): number => timers.size,
  };
}
