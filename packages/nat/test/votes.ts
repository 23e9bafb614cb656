import { EventHub } from '@lloom/core';
import { seededRandom, VirtualClock } from '@lloom/simkit';
import { networkOfIp } from '../src/internal/admission.ts';
import type {
  Endpoint,
  ReachabilityAnswer,
  ReachabilityNetwork,
  ReachabilityView,
  SeenIp,
  Sighting,
} from '../src/internal/reachabilityNetwork.ts';
import type { NatEvents } from '../src/events.ts';
import { Probing } from '../src/probing.ts';
import type { AutonatConfig, NatStatus } from '../src/types.ts';
import { autonatOf } from './reachable.ts';

export type Said = ReachabilityAnswer['kind'];

/** A peer that answers as a test wants. */
export interface Peer {
  readonly ip: string;
  /** What it says of an address. */
  says: (address: string) => Said;
}

/** Who says no is waited for, as who dials in vain waits. */
const delaysMs = { reachable: 20, unreachable: 3_000, refused: 20, silent: 20 };

const scopeOf = (ip: string) => (/^(?:10|192)\./.test(ip) ? 'private' : 'global');
const seen = (ip: string): SeenIp => ({ ip, family: ip.includes(':') ? 6 : 4, scope: scopeOf(ip) });
const endpoint = (ip: string): Endpoint => ({
  ...seen(ip),
  address: `/ip${ip.includes(':') ? 6 : 4}/${ip}/tcp/4001`,
});

/** The service under test among peers that say what a test wants, of any networks. */
export class Votes {
  readonly clock = new VirtualClock();
  readonly peers = new Map<string, Peer>();
  /** Addresses that others are told of. */
  readonly announced = new Set<string>();
  readonly told: NatStatus[] = [];
  /** Who was asked, in order. */
  readonly asked: string[] = [];
  readonly probing: Probing;
  readonly #listening: readonly string[];
  readonly #seenAt: string | undefined;
  #changed: () => void = () => undefined;

  constructor({ listening = ['9.0.0.1'], seenAt }: { listening?: readonly string[]; seenAt?: string } = {}) {
    this.#listening = listening;
    this.#seenAt = seenAt;
    const hub = new EventHub<NatEvents>(() => undefined);
    hub.addEventListener('nat:changed', ({ detail }) => this.told.push(detail.status));
    this.probing = new Probing({
      clock: this.clock,
      random: seededRandom(1),
      inspect: undefined,
      hub,
      log: () => undefined,
      network: this.#network(),
      changed: () => undefined,
    });
  }

  get kind(): NatStatus['kind'] {
    return this.probing.status.kind;
  }

  get confidence(): number {
    return this.probing.explain().confidence;
  }

  async start(config: AutonatConfig = {}): Promise<this> {
    await this.probing.enable(autonatOf(config));
    await this.probing.start();
    return this;
  }

  /** Connects a peer, the nth of a network of its own. */
  add(name: string, says: Peer['says'], ip = `1.${this.peers.size + 1}.0.1`): Peer {
    const peer = { ip, says };
    this.peers.set(name, peer);
    this.#changed();
    return peer;
  }

  remove(name: string): void {
    this.peers.delete(name);
    this.#changed();
  }

  runFor(ms: number): Promise<void> {
    return this.clock.runFor(ms);
  }

  #network(): ReachabilityNetwork {
    return {
      start: async (changed) => {
        this.#changed = changed;
        changed();
      },
      stop: async () => undefined,
      setAsking: async () => undefined,
      setServing: async () => undefined,
      view: () => this.#view(),
      ask: async ({ peerId, address }) => {
        this.asked.push(peerId);
        const kind = this.peers.get(peerId)?.says(address) ?? 'silent';
        await new Promise<void>((resolve) => this.clock.setTimeout(() => resolve(), delaysMs[kind]));
        return kind === 'silent' ? { kind, reason: 'a test' } : { kind };
      },
      confirm: (address) => this.announced.add(address),
      withdraw: (address) => this.announced.delete(address),
    };
  }

  #view(): ReachabilityView {
    const peers = [...this.peers];
    const sightings = peers.flatMap(([, { ip }]): Sighting[] =>
      this.#seenAt === undefined ? [] : [{ ...seen(this.#seenAt), by: ip }],
    );
    return {
      listening: this.#listening.map(endpoint),
      announced: [],
      sightings,
      servers: peers.map(([peerId, { ip }]) => ({ ...seen(ip), peerId, network: networkOfIp(ip) })),
    };
  }
}
