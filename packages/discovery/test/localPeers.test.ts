import { expect, onTestFinished, test } from 'vitest';
import { discoveryDefaults } from '../src/config.ts';
import type { Shared } from '../src/internal/shared.ts';
import { LocalPeers } from '../src/localPeers.ts';
import type { DialCall, LocalWatcher, Network } from '../src/ports.ts';
import { FakeClock, never, peerIds } from './fakes.ts';
import { settled } from './machines.ts';

const near = ['/ip4/192.168.1.7/tcp/4001'];
const far = ['/ip4/8.8.8.8/tcp/4001', '/dns4/example.org/tcp/4001'];

/** The peers of a local network that a test makes up. Everybody answers at once, and takes part. */
function begin(given: Partial<Pick<Network, 'isMember' | 'watchLocal'>> = {}) {
  const clock = new FakeClock();
  const dialled: {
    readonly peerId: string;
    readonly addresses: readonly string[];
    readonly call: DialCall;
  }[] = [];
  const connected = new Set<string>();
  const told: string[] = [];
  const errors: string[] = [];
  let watcher: LocalWatcher | undefined;
  let onDial = (peerId: string, _: AbortSignal): Promise<void> => {
    connected.add(peerId);
    return Promise.resolve();
  };
  const network = {
    peerId: peerIds.alice,
    isConnected: (peerId: string) => connected.has(peerId),
    isMember: () => Promise.resolve(true),
    watchLocal: (to: LocalWatcher) => {
      watcher = to;
      return Promise.resolve(() => {
        watcher = undefined;
        return Promise.resolve();
      });
    },
    log: () => undefined,
    logError: (text: string) => errors.push(text),
    ...given,
  };
  const dialer = {
    dial: (peerId: string, addresses: readonly string[], call: DialCall) => {
      dialled.push({ peerId, addresses, call });
      return onDial(peerId, call.signal);
    },
  };
  const random = { bytes: (length: number) => new Uint8Array(length), float: () => 0.5 };
  const events = {
    emit: (type: string, { peerId }: { peerId: string }) => told.push(`${type} ${peerId}`),
  };
  const ports = { clock, config: discoveryDefaults, dialer, events, network, random };
  const peers = new LocalPeers(ports as unknown as Shared);
  peers.start();
  onTestFinished(() => peers.stop());
  const sight = async (peerId: string, addresses = near): Promise<void> => {
    watcher?.onSighting({ peerId, addresses });
    await settled();
  };
  return {
    clock,
    connected,
    dialled,
    errors,
    peers,
    sight,
    told,
    isWatching: () => watcher !== undefined,
    answer: (how: typeof onDial) => (onDial = how),
  };
}

test('a peer that is sighted is dialled as one that the user named, where it says to be on the local network', async () => {
  const { dialled, peers, sight, told } = begin();
  await sight(peerIds.bob, [...far, ...near]);
  expect(dialled).toMatchObject([{ peerId: peerIds.bob, addresses: near, call: { toldBy: 'neighbours' } }]);
  expect(told).toEqual([`peer:discovered ${peerIds.bob}`]);
  expect(peers.peerIds).toEqual([peerIds.bob]);
});

test('nobody is dialled beyond the local network, and this node never', async () => {
  const { dialled, sight } = begin();
  await sight(peerIds.bob, far);
  await sight(peerIds.carol, []);
  await sight(peerIds.alice);
  expect(dialled).toEqual([]);
});

test('a peer that does not take part is not told, and dialled again half a minute later at the earliest', async () => {
  const { clock, dialled, peers, sight, told } = begin({ isMember: () => Promise.resolve(false) });
  for (let seconds = 0; seconds < 65; seconds++) {
    await sight(peerIds.bob);
    await clock.advance(1_000);
  }
  expect(dialled).toHaveLength(3);
  expect([told, peers.peerIds]).toEqual([[], []]);
});

test('a dial that takes too long is given up', async () => {
  const { answer, clock, dialled, sight } = begin();
  answer((_, signal) => never(signal));
  await sight(peerIds.bob);
  await clock.advance(discoveryDefaults.dialTimeoutMs);
  expect(dialled[0]?.call.signal.aborted).toBe(true);
});

test('four are dialled at the same time, and those that were tried wait behind those that were not', async () => {
  const { answer, clock, dialled, sight } = begin();
  answer((_, signal) => never(signal));
  const names = Array.from({ length: 16 }, (_, index) => `peer-${index}`);
  for (const name of names) await sight(name);
  expect(dialled).toHaveLength(4);
  for (let times = 0; times < 4; times++) {
    await clock.advance(discoveryDefaults.dialTimeoutMs);
    for (const name of names) await sight(name);
  }
  const first = dialled.slice(0, 16).map(({ peerId }) => peerId);
  expect(first).toEqual(names);
});

test('peers that are there keep their place when any number is announced', async () => {
  const { clock, dialled, peers, sight } = begin();
  for (let index = 0; index < 256; index++) await sight(`peer-${index}`);
  await sight('one too many');
  await clock.advance(60_000);
  await sight('one too many');
  expect([peers.peerIds.length, dialled.length]).toEqual([256, 256]);
});

test('whoever did not answer makes way for others after half a minute', async () => {
  const { answer, clock, dialled, peers, sight } = begin();
  answer(() => Promise.reject(new Error('refused')));
  for (let index = 0; index < 256; index++) await sight(`peer-${index}`);
  await sight('the next');
  expect(dialled).toHaveLength(256);
  answer(() => Promise.resolve());
  await clock.advance(30_000);
  await sight('the next');
  expect([dialled.length, peers.peerIds]).toEqual([257, ['the next']]);
});

test('nothing goes on after the stop', async () => {
  const { answer, clock, dialled, isWatching, peers, sight, told } = begin();
  await sight(peerIds.bob);
  answer((_, signal) => never(signal));
  await sight(peerIds.carol);
  const stopped = peers.stop();
  await peers.stop();
  await stopped;
  await sight(peerIds.dave);
  expect([clock.pending, dialled.length, isWatching()]).toEqual([0, 2, false]);
  expect(dialled[1]?.call.signal.aborted).toBe(true);
  expect([told, peers.peerIds]).toEqual([[`peer:discovered ${peerIds.bob}`], []]);
});

test('a stop that comes before the local network is watched leaves nothing behind', async () => {
  const { isWatching, peers } = begin();
  await peers.stop();
  expect(isWatching()).toBe(false);
});

test('a local network that cannot be watched is logged, and hinders nothing', async () => {
  const { errors, peers } = begin({ watchLocal: () => Promise.reject(new Error('no multicast here')) });
  await settled();
  await peers.stop();
  expect(errors).toEqual(['could not look for peers on the local network']);
});
