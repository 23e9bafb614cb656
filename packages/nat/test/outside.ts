import type { Listener, MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface';
import type { SimHost } from '@lloom/simkit';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';

const inside = /^\/ip4\/10\./;
const outside = /^\/ip4\/4[56]\./;
const toInside = (address: Multiaddr): Multiaddr =>
  multiaddr(address.toString().replace(outside, '/ip4/10.'));

/**
 * Simulated hosts as the internet sees them: whoever has 10.0.0.1 is seen at, and dialled at, 45.0.0.1, as by a router that
 * translates addresses one to one. Nobody answers at the addresses of a host behind a firewall.
 */
export class Outside {
  /** Names of hosts that nobody can dial. */
  readonly firewalled = new Set<string>();
  /** Names of hosts that listen at the address at which they are seen. */
  readonly global = new Set<string>();
  /** Names of hosts that are at 46.… by now, and not at 45.… any more. */
  readonly moved = new Set<string>();
  /** Who dialled which address, in order. */
  readonly dials: string[] = [];
  readonly #hosts = new Map<string, string>();

  /** Puts a host behind its router. */
  stackOf(host: SimHost): SimHost['stack'] {
    this.#hosts.set(host.ip, host.name);
    const transports = host.stack.transports.map(
      (create) => (components: Parameters<typeof create>[0]) => this.#wrap(host, create(components)),
    );
    return { ...host.stack, transports };
  }

  /** Where a host listens. */
  listenOf(host: SimHost): string {
    return this.global.has(host.name) ? this.addressOf(host) : host.address;
  }

  /** Where a host is seen. */
  addressOf(host: Pick<SimHost, 'address'>): string {
    return this.#toOutside(multiaddr(host.address)).toString();
  }

  #nameOf(address: Multiaddr): string {
    return this.#hosts.get(toInside(address).getComponents()[0]?.value ?? '') ?? '';
  }

  #toOutside(address: Multiaddr): Multiaddr {
    const prefix = this.moved.has(this.#nameOf(address)) ? '/ip4/46.' : '/ip4/45.';
    return multiaddr(address.toString().replace(inside, prefix));
  }

  #wrap(host: SimHost, inner: Transport): Transport {
    const isGlobal = this.global.has(host.name);
    const { firewalled, dials } = this;
    const toOutside = this.#toOutside.bind(this);
    const isNobody = (address: Multiaddr): boolean =>
      firewalled.has(this.#nameOf(address)) || !toOutside(toInside(address)).equals(address);
    return new Proxy(inner, {
      get(target, key) {
        if (key === 'dial') {
          const dial: Transport['dial'] = async (address, options) => {
            const real = toInside(address);
            dials.push(`${host.name} ${address.toString().replace(/\/p2p\/.*/, '')}`);
            // Inside numbers lead nowhere from outside.
            if (isNobody(address)) await never(options.signal);
            return target.dial(real, { ...options, upgrader: translated(options.upgrader, toOutside) });
          };
          return dial;
        }
        if (key === 'listenFilter' || key === 'dialFilter')
          return (addresses: Multiaddr[]) =>
            addresses.filter((address) => target[key]([toInside(address)]).length > 0);
        if (key === 'createListener') {
          const create: Transport['createListener'] = (options) => {
            const upgrader = translated(options.upgrader, toOutside);
            const listener = target.createListener({ ...options, upgrader });
            return listenerOf(listener, isGlobal ? toOutside : (each) => each);
          };
          return create;
        }
        return Reflect.get(target, key, target) as unknown;
      },
    });
  }
}

/** A SYN that is dropped. */
function never(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' }));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  return promise;
}

type Translate = (address: Multiaddr) => Multiaddr;

function listenerOf(inner: Listener, translate: Translate): Listener {
  return new Proxy(inner, {
    get(target, key) {
      if (key === 'listen') return (address: Multiaddr) => target.listen(toInside(address));
      if (key === 'getAddrs') return () => target.getAddrs().map(translate);
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Connections as they are seen from outside. */
function translated(upgrader: Upgrader, toOutside: Translate): Upgrader {
  const translate = (connection: MultiaddrConnection): MultiaddrConnection => {
    (connection as { remoteAddr: Multiaddr }).remoteAddr = toOutside(connection.remoteAddr);
    return connection;
  };
  return new Proxy(upgrader, {
    get(target, key) {
      if (key === 'upgradeInbound' || key === 'upgradeOutbound') {
        const upgrade = target[key].bind(target) as (
          connection: MultiaddrConnection,
          options: unknown,
        ) => unknown;
        return (connection: MultiaddrConnection, options: unknown) => upgrade(translate(connection), options);
      }
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
