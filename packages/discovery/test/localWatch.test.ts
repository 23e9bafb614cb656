import type { Libp2pEvents, PeerDiscovery, PeerDiscoveryEvents, PeerStore } from '@libp2p/interface';
import { toMultiaddr, toPeerId } from '@lloom/core';
import { TypedEventEmitter } from 'main-event';
import { describe, expect, test } from 'vitest';
import { isMember, watchLocal } from '../src/adapters/local.ts';
import type { FoundPeer } from '../src/types.ts';
import { peerIds } from './fakes.ts';
import { settled } from './machines.ts';

const kadProtocol = '/lloom/kad/1.0.0';
const bob = toPeerId(peerIds.bob);
const address = '/ip4/192.168.1.7/tcp/4001';

/** What sights peers when a test says so. Notes what is asked of it. */
class Module extends TypedEventEmitter<PeerDiscoveryEvents> {
  readonly steps: string[] = [];
  failing = '';

  isStarted = (): boolean => this.steps.at(-1) === 'start';
  start = (): Promise<void> => this.#step('start');
  stop = (): Promise<void> => this.#step('stop');
  afterStart = (): Promise<void> => this.#step('afterStart');
  beforeStop = (): Promise<void> => this.#step('beforeStop');

  sight(multiaddrs = [toMultiaddr(address)]): void {
    this.dispatchEvent(new CustomEvent('peer', { detail: { id: bob, multiaddrs } }));
  }

  #step(name: string): Promise<void> {
    this.steps.push(name);
    return name === this.failing ? Promise.reject(new Error(name)) : Promise.resolve();
  }
}

function begin(onSighting = (_: FoundPeer): void => undefined) {
  const module = new Module();
  const sighted: FoundPeer[] = [];
  const errors: unknown[] = [];
  const watcher = {
    onSighting: (peer: FoundPeer) => {
      sighted.push(peer);
      onSighting(peer);
    },
  };
  const watch = () => watchLocal(module as unknown as PeerDiscovery, watcher, (error) => errors.push(error));
  return { module, sighted, errors, watch };
}

describe('watching the local network', () => {
  test('reports every announcement until it is ended, and may begin again', async () => {
    const { module, sighted, watch } = begin();
    const unwatch = await watch();
    module.sight();
    module.sight();
    await unwatch();
    module.sight();
    expect(sighted).toEqual([
      { peerId: peerIds.bob, addresses: [address] },
      { peerId: peerIds.bob, addresses: [address] },
    ]);
    await (
      await watch()
    )();
    const once = ['start', 'afterStart', 'beforeStop', 'stop'];
    expect(module.steps).toEqual([...once, ...once]);
  });

  test('reads no more than 64 addresses of one announcement', async () => {
    const { module, sighted, watch } = begin();
    await watch();
    module.sight(Array.from({ length: 100 }, () => toMultiaddr(address)));
    expect(sighted[0]?.addresses).toHaveLength(64);
  });

  test('survives what its watcher throws', async () => {
    const failure = new Error('no');
    const { errors, module, watch } = begin(() => {
      throw failure;
    });
    await watch();
    module.sight();
    expect(errors).toEqual([failure]);
  });

  test('says why it cannot begin, and hears nothing then', async () => {
    const { module, sighted, watch } = begin();
    module.failing = 'start';
    await expect(watch()).rejects.toThrow('start');
    module.sight();
    expect(sighted).toEqual([]);
  });

  test('works with what need not be started', async () => {
    const module = new TypedEventEmitter<PeerDiscoveryEvents>() as unknown as PeerDiscovery;
    const unwatch = await watchLocal(module, { onSighting: () => undefined }, () => undefined);
    await expect(unwatch()).resolves.toBeUndefined();
  });
});

describe('whether a peer is of this network', () => {
  /** A peer that speaks these protocols, as far as is known; `undefined` when it is not known at all. */
  function ask(protocols: readonly string[] | undefined, isIdentified: boolean) {
    const events = new TypedEventEmitter<Libp2pEvents>();
    const controller = new AbortController();
    const metadata = new Map(isIdentified ? [['AgentVersion', new Uint8Array()]] : []);
    const missing = Object.assign(new Error('nobody'), { name: 'NotFoundError' });
    const get = () =>
      protocols === undefined ? Promise.reject(missing) : Promise.resolve({ protocols, metadata });
    const peerStore = { get } as unknown as Pick<PeerStore, 'get'>;
    const answer = isMember({ peerStore, events }, { peerId: peerIds.bob, kadProtocol }, controller);
    const identify = async (id: string, spoken: readonly string[]): Promise<void> => {
      await settled();
      const detail = { peerId: toPeerId(id), protocols: spoken };
      events.dispatchEvent(new CustomEvent('peer:identify', { detail }));
    };
    return { answer, controller, events, identify };
  }

  test('is known from before', async () => {
    await expect(ask([kadProtocol], false).answer).resolves.toBe(true);
    await expect(ask(['/other/kad/1.0.0'], true).answer).resolves.toBe(false);
  });

  test('may be to ask only, as peers behind a NAT do', async () => {
    await expect(ask([`${kadProtocol}/client`], true).answer).resolves.toBe(true);
    await expect(ask(['/other/kad/1.0.0/client'], true).answer).resolves.toBe(false);
    const { answer, identify } = ask(undefined, false);
    await identify(peerIds.bob, [`${kadProtocol}/client`]);
    await expect(answer).resolves.toBe(true);
  });

  test('is waited for when the peer has not told its protocols yet', async () => {
    // A stream that was opened tells one protocol, not all.
    for (const known of [undefined, ['/ipfs/id/1.0.0']]) {
      for (const [spoken, is] of [
        [[kadProtocol], true],
        [['/other/kad/1.0.0'], false],
      ] as const) {
        const { answer, events, identify } = ask(known, false);
        await identify(peerIds.carol, []);
        await identify(peerIds.bob, spoken);
        await expect(answer).resolves.toBe(is);
        expect(events.listenerCount('peer:identify')).toBe(0);
      }
    }
  });

  test('is not waited for beyond the signal', async () => {
    const { answer, controller, events } = ask(undefined, false);
    await settled();
    controller.abort(new Error('it was given up'));
    await expect(answer).rejects.toThrow('it was given up');
    expect(events.listenerCount('peer:identify')).toBe(0);
  });
});
