import { circuitRelayServer } from '@libp2p/circuit-relay-v2';
import { identify, identifyPush } from '@libp2p/identify';
import type { Libp2p, Startable, Stream } from '@libp2p/interface';
import { ping } from '@libp2p/ping';
import { EventHub, systemClock, systemRandom, type Clock, type Random } from '@lloom/core';
import type { SimHost } from '@lloom/simkit';
import { createLibp2p, type Libp2pOptions } from 'libp2p';

import { CircuitTransport } from '../src/adapters/circuitTransport.ts';
import { libp2pRelays } from '../src/adapters/relays.ts';
import { relayClientDefaults } from '../src/config.ts';
import type { NatEvents } from '../src/events.ts';
import type { Dialer, NatComponents, RelaySource } from '../src/ports.ts';
import { Reserving } from '../src/reserving.ts';
import type { RelayClientConfig } from '../src/types.ts';

export const hopProtocol = '/libp2p/circuit/relay/0.2.0/hop';

/** What a node that keeps places may be given. */
export interface KeepingConfig {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly source?: RelaySource;
  readonly dialer?: Dialer;
  readonly relayClient?: RelayClientConfig;
  readonly enableRelay?: boolean;
}

/** Places at relays as a service of libp2p, with nothing else of the package. */
export class Keeping implements Startable {
  readonly reserving: Reserving;
  readonly told: (
    | ({ readonly type: 'reserved' } & NatEvents['relay:reserved'])
    | ({ readonly type: 'lost' } & NatEvents['relay:lost'])
  )[] = [];
  readonly logged: string[] = [];
  /** Where transports listen. */
  readonly listening: () => string[];
  readonly #transport: CircuitTransport;

  constructor(components: NatComponents, config: KeepingConfig) {
    this.listening = () => components.transportManager.getAddrs().map((address) => address.toString());
    const { clock = systemClock, random = systemRandom, source, relayClient, enableRelay = true } = config;
    const { dialer } = config;
    const hub = new EventHub<NatEvents>((error) => this.logged.push(String(error)));
    hub.addEventListener('relay:reserved', ({ detail }) => this.told.push({ type: 'reserved', ...detail }));
    hub.addEventListener('relay:lost', ({ detail }) => this.told.push({ type: 'lost', ...detail }));
    this.#transport = new CircuitTransport(components);
    this.reserving = new Reserving({
      clock,
      random,
      inspect: undefined,
      hub,
      log: (message, error) => this.logged.push(`${message}: ${String(error)}`),
      network: libp2pRelays(components, { clock, ...(dialer && { dialer }) }),
      source,
      config: { enableRelay, relayClient: { ...relayClientDefaults, ...relayClient } },
    });
  }

  start(): Promise<void> {
    return this.#transport.start();
  }

  afterStart(): void {
    this.reserving.start();
  }

  async stop(): Promise<void> {
    this.reserving.stop();
    await this.#transport.stop();
  }

  enable(relays: readonly string[] = [], config: RelayClientConfig = {}): void {
    this.reserving.enable({ ...relayClientDefaults, ...config, relays });
  }

  /** The relays where there is a place. */
  get reserved(): string[] {
    const { relays } = this.reserving.explain();
    return relays.filter(({ state }) => state === 'reserved').map(({ relay }) => relay);
  }
}

export type KeepingNode = Libp2p<{ keeping: Keeping }>;

const lenient = { inboundConnectionThreshold: 10_000, maxIncomingPendingConnections: 1_000 };

export function createKeeping(options: Libp2pOptions, config: KeepingConfig = {}): Promise<KeepingNode> {
  return createLibp2p({
    connectionManager: lenient,
    ...options,
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      // libp2p ends connections to whoever does not answer it.
      ping: ping(),
      keeping: (components: NatComponents) => new Keeping(components, config),
    },
  });
}

type RelayConfig = NonNullable<Parameters<typeof circuitRelayServer>[0]>;

/** Stock libp2p as it relays. */
export function createRelay(options: Libp2pOptions, config: RelayConfig = {}): Promise<Libp2p> {
  return createLibp2p({
    connectionManager: lenient,
    ...options,
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping(),
      relay: circuitRelayServer(config),
    },
  });
}

/** A node that tells peers what changes, and whose parts are lent. */
export function createPlain(
  options: Libp2pOptions,
): Promise<Libp2p<{ parts: { readonly lent: NatComponents } }>> {
  return createLibp2p({
    connectionManager: lenient,
    ...options,
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping(),
      parts: (lent: NatComponents) => ({ lent }),
    },
  });
}

/** A node that takes what relays are asked, and answers as it likes. */
export async function createOddRelay(
  options: Libp2pOptions,
  answer: (stream: Stream) => unknown,
): Promise<Libp2p> {
  const node = await createLibp2p({
    connectionManager: lenient,
    ...options,
    services: { identify: identify(), identifyPush: identifyPush(), ping: ping() },
  });
  await node.handle(hopProtocol, (stream) => void answer(stream));
  return node;
}

export const simOptions = ({ privateKey, datastore, address, stack }: SimHost): Libp2pOptions => ({
  privateKey,
  datastore,
  addresses: { listen: [address] },
  ...stack,
});

export const idOf = (node: Libp2p): string => node.peerId.toString();

/** Where a node is dialled without a relay. */
export const addressOf = (node: Libp2p): string => {
  const address = node.getMultiaddrs().find((one) => !one.toString().includes('/p2p-circuit'));
  if (address === undefined) throw new Error('the node does not listen');
  return address.toString();
};

/** Where a node says that it is dialled through relays. */
export const relayedOf = (node: Libp2p): string[] =>
  node
    .getMultiaddrs()
    .map((address) => address.toString())
    .filter((address) => address.includes('/p2p-circuit'));
