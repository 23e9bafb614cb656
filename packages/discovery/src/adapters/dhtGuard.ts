import type { AbortOptions, Connection, PeerData, PeerId, PeerStore, Stream } from '@libp2p/interface';
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal';
import { refuseRelayed } from './dhtCalls.ts';

/** Of what a node lends to its DHT, what strangers reach through it, and through what it reaches them. */
export interface DhtComponents {
  readonly peerStore: PeerStore;
  readonly registrar: Registrar;
  readonly connectionManager: ConnectionManager;
  readonly ping: { ping(peerId: PeerId, options?: AbortOptions): Promise<number> };
}

/** All that is read of one inbound stream. The largest message holds one descriptor; most have a hundred bytes. */
const maxStreamBytes = 256 * 1024;
/** Addresses of one peer that are taken from one message. */
const maxAddresses = 16;
/** A peer that has so many is told no more by the DHT, until some have expired. */
const maxKnownAddresses = 64;

/**
 * The same DHT service, but for what one message may cost: stock kad-dht reads 4 MiB, and keeps every address in it. Of
 * one inbound stream 256 KiB are read, then it is reset; of a peer that says to provide something 16 addresses are kept a
 * message, and 64 in all. It asks nobody through a relay, over which its queries do not run.
 *
 * @example
 * ```ts
 * const dht = guardedDht(kadDHT({ ...config, ...dhtRecords({ verifier, datastore }) }));
 * ```
 */
export function guardedDht<C extends DhtComponents, D>(create: (components: C) => D): (components: C) => D {
  return (components) => {
    const peerStore = override(components.peerStore, {
      merge: async (peerId: PeerId, data: PeerData, ...rest: Rest<PeerStore['merge']>) =>
        components.peerStore.merge(peerId, await cut(components.peerStore, peerId, data), ...rest),
    });
    const registrar = override(components.registrar, {
      handle: (...[protocol, handler, options]: Parameters<Registrar['handle']>) => {
        const guarded = (stream: Stream, connection: Connection): void | Promise<void> => {
          bound(stream);
          return handler(stream, connection);
        };
        return components.registrar.handle(protocol, guarded, options);
      },
    });
    const connectionManager = override(components.connectionManager, {
      openStream: async (...[peerId, protocol, options]: OpenStream) => {
        await refuseRelayed(components, peerId);
        return components.connectionManager.openStream(peerId, protocol, options);
      },
    });
    const ping = override(components.ping, {
      ping: async (peerId: PeerId, options?: AbortOptions) => {
        await refuseRelayed(components, peerId);
        return components.ping.ping(peerId, options);
      },
    });
    return create(override(components, { peerStore, registrar, connectionManager, ping }));
  };
}

type OpenStream = [
  peerId: PeerId,
  protocol: string | string[],
  options?: Parameters<ConnectionManager['openStream']>[2],
];
type Rest<F extends (...args: never[]) => unknown> =
  Parameters<F> extends [unknown, unknown, ...infer R] ? R : never;

/** The same object with other members. Components of libp2p are made one after the other, so it is not copied. */
function override<T extends object>(target: T, members: Readonly<Record<string, unknown>>): T {
  return new Proxy(target, {
    get(_, name) {
      if (typeof name === 'string' && Object.hasOwn(members, name)) return members[name];
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

async function cut(peerStore: PeerStore, peerId: PeerId, data: PeerData): Promise<PeerData> {
  if (data.multiaddrs === undefined) return data;
  const known = (await peerStore.has(peerId)) ? (await peerStore.get(peerId)).addresses.length : 0;
  const room = Math.max(0, Math.min(maxAddresses, maxKnownAddresses - known));
  return { ...data, multiaddrs: data.multiaddrs.slice(0, room) };
}

/** Resets a stream that brings too much, before anybody reads it. */
function bound(stream: Stream): void {
  let bytes = 0;
  stream.addEventListener('message', (event) => {
    bytes += event.data.byteLength;
    if (bytes <= maxStreamBytes) return;
    event.stopImmediatePropagation();
    stream.abort(new Error(`more than ${maxStreamBytes} bytes on one stream`));
  });
}
