import { VirtualClock } from '@lloom/simkit';
import { beforeEach, describe, expect, it } from 'vitest';

import { Circuits } from '../src/circuits.ts';
import { NatError } from '../src/errors.ts';
import type { CircuitConnection, CircuitNetwork, CircuitWay } from '../src/internal/circuitNetwork.ts';
import { payloadOf } from '../src/internal/relayBudget.ts';
import type { DialCall } from '../src/ports.ts';

const peer = '12D3KooWS3tJYutLNgbV6yxnzruKv16Jyb3knY2GtbdVWi5CSjPD';
const relay = '12D3KooWFU7yRz45oDohrUuf6PJAWWG7yCDYz83a2A3QChNGNbEL';
const relayAddr = `/ip4/192.0.2.1/tcp/4001/p2p/${relay}`;
const way = `${relayAddr}/p2p-circuit/p2p/${peer}`;
const stockBytes = 128 * 1_024;

let clock: VirtualClock;
let network: FakeNetwork;
let circuits: Circuits;
let upgrade: (peerId: string, signal: AbortSignal) => Promise<boolean>;
let upgrades: number;
let isPromising: boolean;

let opened = 0;

class FakeConnection implements CircuitConnection {
  readonly id = `${(opened += 1)}`;
  readonly relay?: string;
  readonly isRelayed: boolean;
  readonly remoteAddress: string;
  readonly openedAt = clock.now();
  readonly firstBytes?: number;
  isIdle = true;
  limits: { bytes?: number; seconds?: number } | undefined;
  readonly #network: FakeNetwork;

  constructor(owner: FakeNetwork, limits?: { bytes?: number; seconds?: number } | 'direct') {
    this.#network = owner;
    this.isRelayed = limits !== 'direct';
    this.remoteAddress = this.isRelayed ? way : '/ip4/198.51.100.1/tcp/4001';
    if (this.isRelayed) this.relay = relay;
    this.limits = limits === 'direct' ? undefined : limits;
    if (this.limits?.bytes !== undefined) this.firstBytes = this.limits.bytes;
  }

  get isOpen(): boolean {
    return this.#network.open.includes(this);
  }

  async close(): Promise<void> {
    this.#network.open = this.#network.open.filter((other) => other !== this);
  }
}

class FakeNetwork implements CircuitNetwork {
  open: FakeConnection[] = [];
  tell: ((peerId: string) => void) | undefined;
  readonly dials: CircuitWay[] = [];
  /** What a dial comes to. */
  answer: (signal: AbortSignal) => Promise<CircuitConnection> = async () =>
    this.opens({ bytes: stockBytes, seconds: 120 });

  /** A connection comes to be. */
  opens(limits: ConstructorParameters<typeof FakeConnection>[1]): FakeConnection {
    const connection = new FakeConnection(this, limits);
    this.open.push(connection);
    this.tell?.(peer);
    return connection;
  }

  connectionsTo(peerId: string): readonly CircuitConnection[] {
    return peerId === peer ? this.open : [];
  }

  relayedCount(): number {
    return this.open.filter(({ isRelayed }) => isRelayed).length;
  }

  dial(target: CircuitWay, { signal }: DialCall): Promise<CircuitConnection> {
    this.dials.push(target);
    return this.answer(signal);
  }

  onOpened(tell: (peerId: string) => void): () => void {
    this.tell = tell;
    return () => (this.tell = undefined);
  }
}

beforeEach(() => {
  clock = new VirtualClock();
  network = new FakeNetwork();
  upgrades = 0;
  isPromising = true;
  upgrade = async () => false;
  const upgrading = {
    upgrade: (peerId: string, signal: AbortSignal) => {
      upgrades += 1;
      return upgrade(peerId, signal);
    },
    isPromising: () => isPromising,
  };
  const shared = { clock, inspect: undefined, log: () => undefined };
  circuits = new Circuits({ ...shared, network, upgrading } as never);
  circuits.start();
});

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('what connections to a peer still carry', () => {
  it('is as much as one likes while there is none, or one without a limit', () => {
    expect(circuits.bytesLeft(peer)).toBeUndefined();
    network.opens({ bytes: stockBytes, seconds: 120 });
    expect(circuits.bytesLeft(peer)).toBe(payloadOf(stockBytes));
    network.opens('direct');
    expect(circuits.bytesLeft(peer)).toBeUndefined();
  });

  it('is told of one connection by its name, whatever others carry', () => {
    const small = network.opens({ bytes: 10_000, seconds: 120 });
    network.opens('direct');
    expect(circuits.bytesLeft(peer, small.id)).toBe(payloadOf(10_000));
    expect(circuits.bytesLeft(peer, 'another')).toBeUndefined();
  });

  it('is what the one carries that carries most: a stream does not split', () => {
    network.opens({ bytes: 50_000 });
    network.opens({ bytes: 90_000 });
    expect(circuits.bytesLeft(peer)).toBe(payloadOf(90_000));
  });

  it('is nothing shortly before the relay ends the last one, whichever unit it has told', async () => {
    const one = network.opens({ seconds: 120 });
    await clock.runFor(114_000);
    one.limits = { seconds: 6 };
    expect(circuits.bytesLeft(peer)).toBeUndefined();
    await clock.runFor(1_500);
    one.limits = { seconds: 120_000 - 115.5 };
    expect(circuits.bytesLeft(peer)).toBe(0);
    one.limits = { bytes: stockBytes, seconds: 4.5 };
    expect(circuits.bytesLeft(peer)).toBe(0);
  });
});

describe('a dial through a relay', () => {
  it('takes the address of the relay with or without the peer behind it', async () => {
    for (const given of [relayAddr, `${relayAddr}/p2p-circuit`, way]) {
      network.open = [];
      expect(await circuits.dial(peer, given)).toEqual({
        peerId: peer,
        relay,
        remoteAddress: way,
        limits: { bytes: stockBytes, ms: 120_000 },
      });
    }
    expect(network.dials).toEqual(Array.from({ length: 3 }, () => ({ peerId: peer, relay, address: way })));
  });

  it.each([
    ['that names no relay', '/ip4/192.0.2.1/tcp/4001'],
    ['that leads to another peer', `${relayAddr}/p2p-circuit/p2p/${relay}`],
    ['that leads through two relays', `${way}/p2p-circuit/p2p/${peer}`],
    ['whose relay is the peer', `/ip4/192.0.2.1/tcp/4001/p2p/${peer}`],
    ['without a relay', `/p2p-circuit/p2p/${peer}`],
  ])('refuses an address %s', async (_, given) => {
    const error = await errorOf(circuits.dial(peer, given));
    expect(error).toMatchObject({ code: 'INVALID_RELAY_ADDRESS' });
    expect(network.dials).toEqual([]);
  });

  it('uses what is there: a connection without a relay, or one through it that still carries something', async () => {
    const old = network.opens({ bytes: 60_000 });
    expect(await circuits.dial(peer, relayAddr)).toMatchObject({ limits: { bytes: 60_000 } });
    expect(network.dials).toEqual([]);
    old.limits = { bytes: 100 };
    await circuits.dial(peer, relayAddr);
    expect(network.dials).toHaveLength(1);
    network.opens('direct');
    expect(await circuits.dial(peer, relayAddr)).toBeUndefined();
  });

  it('tells who ended it: the caller, the service, the network or time', async () => {
    network.answer = () => new Promise(() => undefined);
    const controller = new AbortController();
    const cancelled = errorOf(circuits.dial(peer, relayAddr, { signal: controller.signal }));
    controller.abort();
    expect(await cancelled).toMatchObject({ code: 'CANCELLED' });
    expect(await errorOf(circuits.dial(peer, relayAddr, { signal: controller.signal }))).toMatchObject({
      code: 'CANCELLED',
    });

    const late = errorOf(circuits.dial(peer, relayAddr));
    await clock.runFor(10_000);
    expect(await late).toMatchObject({
      code: 'RELAY_DIAL_FAILED',
      data: { reason: 'there was no answer within 10 s' },
    });

    const stopped = errorOf(circuits.dial(peer, relayAddr));
    circuits.stop();
    expect(await stopped).toMatchObject({ code: 'STOPPED' });
    expect(await errorOf(circuits.dial(peer, relayAddr))).toMatchObject({ code: 'STOPPED' });

    circuits.start();
    const refusal = new NatError('RELAY_DIAL_FAILED', { peerId: peer, relay, reason: 'no place' });
    network.answer = () => Promise.reject(refusal);
    expect(await errorOf(circuits.dial(peer, relayAddr))).toBe(refusal);
  });
});

describe('room', () => {
  it('is there at once where enough is left', async () => {
    expect(await circuits.makeRoom(peer, 1e9)).toBe(true);
    network.opens({ bytes: stockBytes });
    expect(await circuits.makeRoom(peer, 100_000)).toBe(true);
    expect({ upgrades, dials: network.dials }).toEqual({ upgrades: 0, dials: [] });
  });

  it('is made by a connection without a relay, one attempt for all who ask', async () => {
    network.opens({ bytes: 10_000 });
    const found = Promise.withResolvers<boolean>();
    upgrade = () => found.promise;
    const asked = [circuits.makeRoom(peer, 1e6), circuits.makeRoom(peer, 1e9)];
    network.opens('direct');
    found.resolve(true);
    expect(await Promise.all(asked)).toEqual([true, true]);
    expect(network.dials).toEqual([]);
  });

  it('is made by another connection through the same relay, one for all who ask', async () => {
    const old = network.opens({ bytes: stockBytes });
    old.limits = { bytes: 10_000 };
    const asked = [circuits.makeRoom(peer, 100_000), circuits.makeRoom(peer, 50_000)];
    expect(await Promise.all(asked)).toEqual([true, true]);
    expect(network.dials).toEqual([{ peerId: peer, relay, address: way }]);
    expect(circuits.bytesLeft(peer)).toBe(payloadOf(stockBytes));
  });

  it.each([true, false])(
    'is made so at once beside a search for a way without one (%s)',
    async (isLikely) => {
      isPromising = isLikely;
      const old = network.opens({ bytes: stockBytes });
      old.limits = { bytes: 10_000 };
      upgrade = () => new Promise(() => undefined);
      expect(await circuits.makeRoom(peer, 100_000)).toBe(true);
      expect(upgrades).toBe(isLikely ? 1 : 0);
      await clock.runFor(10_000);
      expect(clock.pending).toBe(0);
    },
  );

  it('is there as soon as either way is, and a relay that does not answer keeps nobody waiting', async () => {
    network.opens({ bytes: stockBytes }).limits = { bytes: 10_000 };
    network.answer = () => new Promise(() => undefined);
    const found = Promise.withResolvers<boolean>();
    upgrade = () => found.promise;
    const asked = circuits.makeRoom(peer, 100_000);
    await clock.runFor(1_000);
    network.opens('direct');
    found.resolve(true);
    expect(await asked).toBe(true);
  });

  it('is looked for without a relay for ten seconds where no other connection would do', async () => {
    network.opens({ bytes: 10_000 });
    upgrade = () => new Promise(() => undefined);
    const asked = circuits.makeRoom(peer, 100_000);
    await clock.runFor(10_000);
    expect(await asked).toBe(false);
    expect(network.dials).toEqual([]);
  });

  it('is made in the place of a replaced connection that is idle, when there are three', async () => {
    const replaced: FakeConnection[] = [];
    for (let count = 0; count < 6; count++) {
      for (const connection of network.open) connection.limits = { bytes: 10 };
      if (network.open.length === 0) network.opens({ bytes: stockBytes }).limits = { bytes: 10 };
      replaced.push(network.open.at(-1)!);
      expect(await circuits.makeRoom(peer, 100_000)).toBe(true);
      expect(network.open.length).toBeLessThanOrEqual(3);
    }
    expect(replaced.map(({ isOpen }) => isOpen)).toEqual([false, false, false, false, true, true]);
    for (const connection of network.open) {
      connection.limits = { bytes: 10 };
      connection.isIdle = false;
    }
    expect(await circuits.makeRoom(peer, 100_000)).toBe(false);
  });

  it('is not there for more than the relay ever lets through, and nothing is opened for it', async () => {
    network.opens({ bytes: stockBytes });
    expect(await circuits.makeRoom(peer, stockBytes)).toBe(false);
    expect(network.dials).toEqual([]);
  });

  it('is not made by more than three connections, nor by a dial that fails', async () => {
    const bytes = { bytes: stockBytes };
    for (let count = 0; count < 3; count++) network.opens(bytes).limits = { bytes: 10 };
    expect(await circuits.makeRoom(peer, 100_000)).toBe(false);
    expect(network.dials).toEqual([]);
    await network.open[0]?.close();
    network.answer = () => Promise.reject(new Error('no place'));
    expect(await circuits.makeRoom(peer, 100_000)).toBe(false);
    expect(network.dials).toHaveLength(1);
  });

  it('is not waited for when the caller or the service ends it', async () => {
    network.opens({ bytes: 10_000 });
    upgrade = () => new Promise(() => undefined);
    const controller = new AbortController();
    const cancelled = errorOf(circuits.makeRoom(peer, 50_000, { signal: controller.signal }));
    const stopped = circuits.makeRoom(peer, 50_000);
    controller.abort();
    expect(await cancelled).toMatchObject({ code: 'CANCELLED' });
    circuits.stop();
    expect(await stopped).toBe(false);
    expect(await circuits.makeRoom(peer, 50_000)).toBe(false);
    expect(clock.pending).toBe(0);
  });
});

describe('a connection through a relay that another one has replaced', () => {
  it('is closed when it carries nothing any more', async () => {
    const old = network.opens({ bytes: stockBytes });
    old.isIdle = false;
    const direct = network.opens('direct');
    await clock.runFor(60_000);
    expect(network.open).toEqual([old, direct]);
    old.isIdle = true;
    await clock.runFor(3_000);
    expect(network.open).toEqual([direct]);
    await clock.runFor(1_000);
    expect(clock.pending).toBe(0);
  });

  it('goes as well when the other one goes through the relay too, and stays when that one is gone first', async () => {
    const make = async (): Promise<FakeConnection> => {
      const old = network.opens({ bytes: stockBytes });
      old.limits = { bytes: 10 };
      expect(await circuits.makeRoom(peer, 100_000)).toBe(true);
      return old;
    };
    const first = await make();
    await clock.runFor(3_000);
    expect(network.open).not.toContain(first);
    await network.open[0]?.close();

    const second = await make();
    await network.open.at(-1)?.close();
    await clock.runFor(3_000);
    expect(network.open).toEqual([second]);
    expect(clock.pending).toBe(0);
  });

  it('is left alone by a service that has stopped', async () => {
    const old = network.opens({ bytes: stockBytes });
    network.opens('direct');
    circuits.stop();
    circuits.stop();
    await clock.runFor(60_000);
    expect(network.open).toContain(old);
    expect(network.tell).toBeUndefined();
  });
});
