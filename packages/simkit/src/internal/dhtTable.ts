import { createHash } from 'node:crypto';
import type { PeerId, PeerInfo } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { Fabric, Host } from './fabric.ts';

/** Where something lies in the space of keys: the first 64 bits of its SHA-256. */
type Place = readonly [number, number];

/** A node that others ask. */
export interface DhtMember {
  readonly peerId: PeerId;
  readonly host: Host;
  readonly addresses: () => Multiaddr[];
}

/** A member, and which process of its host it is. */
interface Seat extends DhtMember {
  readonly boot: number;
  readonly place: Place;
}

/** Something that was put under a key. */
interface Entry<T> {
  readonly value: T;
  readonly atMs: number;
  /** Who took it. */
  readonly holders: readonly Seat[];
}

/** How long it is kept when nobody puts it again: as kad-dht keeps it. */
const keptMs = 24 * 3_600_000;
/** The oldest goes when there are more. */
const maxKeys = 65_536;

/**
 * One table in place of those that nodes of a DHT have each. What is put under a key is taken by the members nearest to it
 * that the node reaches; whoever reaches one of those finds it.
 */
export class DhtTable {
  readonly #fabric: Fabric;
  readonly #members = new Map<string, Seat>();
  readonly #providers = new Map<string, Map<string, Entry<PeerInfo>>>();
  readonly #values = new Map<string, Entry<Uint8Array>>();

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  /** Takes a member in. Returns what takes it out again; one that dies stays known, and is not asked. */
  join(member: DhtMember): () => void {
    const name = member.peerId.toString();
    const place = placeOf(member.peerId.toMultihash().bytes);
    const seat = { ...member, place, boot: this.#fabric.bootOf(member.host) };
    this.#members.set(name, seat);
    return () => {
      if (this.#members.get(name) === seat) this.#members.delete(name);
    };
  }

  /** A member, also a dead one. */
  member(peerId: PeerId): DhtMember | undefined {
    return this.#members.get(peerId.toString());
  }

  /** Whether there is anybody else, reached or not. */
  hasOthers(host: Host): boolean {
    for (const seat of this.#members.values()) if (seat.host !== host) return true;
    return false;
  }

  /** Those that `host` reaches, without itself. */
  *reached(host: Host): Generator<DhtMember> {
    for (const seat of this.#members.values()) {
      if (seat.host !== host && this.#isReached(host, seat)) yield seat;
    }
  }

  /** Whether a peer is a member that `host` reaches. */
  reaches(host: Host, peerId: string): boolean {
    const seat = this.#members.get(peerId);
    return seat !== undefined && this.#isReached(host, seat);
  }

  /** The `count` members nearest to a key that `host` reaches, without itself, nearest first. */
  nearest(host: Host, key: Uint8Array, count: number): readonly DhtMember[] {
    return this.#nearest(host, placeOf(key), count);
  }

  /** How long a question from `host` to a member and its answer are under way, in ms. */
  roundTripMs(host: Host, member: DhtMember): number {
    const fabric = this.#fabric;
    return fabric.lane(host, member.host).link.delayMs + fabric.lane(member.host, host).link.delayMs;
  }

  /** Puts a provider under a key. Returns who took it. */
  provide(host: Host, key: Uint8Array, put: { provider: PeerInfo; count: number }): readonly DhtMember[] {
    const holders = this.#nearest(host, placeOf(key), put.count);
    if (holders.length === 0) return holders;
    const name = nameOf(key);
    const entries = this.#providers.get(name) ?? new Map<string, Entry<PeerInfo>>();
    this.#providers.delete(name);
    this.#providers.set(name, entries);
    entries.set(put.provider.id.toString(), { value: put.provider, atMs: this.#now(), holders });
    cut(this.#providers);
    return holders;
  }

  /** Takes a provider out. */
  withdraw(key: Uint8Array, peerId: PeerId): void {
    this.#providers.get(nameOf(key))?.delete(peerId.toString());
  }

  /** Who provides a key, as far as `host` can learn. Dead ones are among them. */
  providers(host: Host, key: Uint8Array): readonly PeerInfo[] {
    const entries = this.#providers.get(nameOf(key)) ?? new Map<string, Entry<PeerInfo>>();
    for (const [peerId, entry] of entries) if (this.#isOver(entry)) entries.delete(peerId);
    return [...entries.values()].filter((entry) => this.#finds(host, entry)).map(({ value }) => value);
  }

  /** Puts a value under a key, in place of another one. Returns who took it. */
  put(host: Host, key: Uint8Array, put: { value: Uint8Array; count: number }): readonly DhtMember[] {
    const holders = this.#nearest(host, placeOf(key), put.count);
    const name = nameOf(key);
    this.#values.delete(name);
    this.#values.set(name, { value: put.value, atMs: this.#now(), holders });
    cut(this.#values);
    return holders;
  }

  /** The value under a key, as far as `host` can learn it. */
  value(host: Host, key: Uint8Array): Uint8Array | undefined {
    const entry = this.#values.get(nameOf(key));
    return entry !== undefined && !this.#isOver(entry) && this.#finds(host, entry) ? entry.value : undefined;
  }

  #nearest(host: Host, place: Place, count: number): readonly Seat[] {
    // Few are wanted of many, so that the list is kept in order rather than sorted.
    const found: { readonly seat: Seat; readonly high: number; readonly low: number }[] = [];
    for (const seat of this.#members.values()) {
      const [high, low] = [(seat.place[0] ^ place[0]) >>> 0, (seat.place[1] ^ place[1]) >>> 0];
      const last = found.at(-1);
      if (found.length >= count && last !== undefined && !isNearer({ high, low }, last)) continue;
      if (seat.host === host || !this.#isReached(host, seat)) continue;
      const at = found.findIndex((other) => isNearer({ high, low }, other));
      found.splice(at === -1 ? found.length : at, 0, { seat, high, low });
      if (found.length > count) found.pop();
    }
    return found.map(({ seat }) => seat);
  }

  #finds(host: Host, { holders }: Entry<unknown>): boolean {
    return holders.some((holder) => holder.host === host || this.#isReached(host, holder));
  }

  /** Whether it is up, and questions and answers get through. */
  #isReached(host: Host, { host: other, boot }: Seat): boolean {
    return this.#fabric.bootOf(other) === boot && this.#fabric.isOpenBetween(host, other);
  }

  #isOver({ atMs }: Entry<unknown>): boolean {
    return this.#now() - atMs > keptMs;
  }

  #now(): number {
    return this.#fabric.clock.elapsed();
  }
}

interface Distance {
  readonly high: number;
  readonly low: number;
}

const isNearer = (a: Distance, b: Distance): boolean =>
  a.high < b.high || (a.high === b.high && a.low < b.low);

const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1');

function placeOf(key: Uint8Array): Place {
  const digest = createHash('sha256').update(key).digest();
  return [digest.readUInt32BE(0), digest.readUInt32BE(4)];
}

function cut(entries: Map<string, unknown>): void {
  if (entries.size <= maxKeys) return;
  const [oldest] = entries.keys();
  entries.delete(oldest!);
}
