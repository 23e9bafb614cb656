import type { PeerId, Startable } from '@libp2p/interface';
import { EventHub, safeMeter, systemClock, systemRandom, toPeerId } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { Nat } from './api.ts';
import { Circuits } from './circuits.ts';
import {
  resolveAutonatConfig,
  resolveCallConfig,
  resolveNatConfig,
  resolveRelayClientConfig,
  resolveRelayServerConfig,
  type NatConfig,
} from './config.ts';
import { NatError } from './errors.ts';
import type { NatEvents } from './events.ts';
import { measureNat } from './internal/families.ts';
import { writeLines } from './internal/lines.ts';
import type { Networks } from './internal/networks.ts';
import { Probing } from './probing.ts';
import type { NatPorts } from './ports.ts';
import { Relaying } from './relaying.ts';
import { Reserving } from './reserving.ts';
import type {
  AutonatConfig,
  CallConfig,
  NatExplanation,
  NatStatus,
  RelayClientConfig,
  RelayedCircuit,
  RelayedConnection,
  RelayServerConfig,
} from './types.ts';
import { Upgrading } from './upgrading.ts';

/**
 * The service over any network.
 *
 * @throws {ConfigError} listing every problem of the configuration
 */
export function createNat(
  given: NatConfig & NatPorts,
  createNetworks: (ports: NatPorts) => Networks,
): Nat & Startable {
  const {
    inspect,
    clock = systemClock,
    random = systemRandom,
    meter: givenMeter,
    dialer,
    relaySource,
    ...rest
  } = given;
  const config = resolveNatConfig(rest);
  const meter =
    givenMeter && safeMeter(givenMeter, (error) => networks.log('a figure could not be taken', error));
  const networks = createNetworks({ clock, random, ...(dialer && { dialer }), ...(meter && { meter }) });
  const hub = new EventHub<NatEvents>((error, type) => networks.log(`a listener of ${type} failed`, error));
  const shared = { clock, random, inspect, hub, log: networks.log.bind(networks) };
  const upgrading = new Upgrading({
    ...shared,
    network: networks.direct,
    isEnabled: config.enableHolePunching,
  });
  const circuits = new Circuits({ ...shared, network: networks.circuits, upgrading });
  const reserving = new Reserving({ ...shared, network: networks.relays, source: relaySource, config });
  const relaying = new Relaying({ ...shared, network: networks.relayHost, source: relaySource });
  const probing = new Probing({
    ...shared,
    network: networks.reachability,
    changed: (status) => {
      // Whoever does not know any more keeps its places: it may not be able to ask because it is behind a NAT.
      if (status.kind !== 'unknown') reserving.setPrivate(status.kind === 'private');
      if (status.kind === 'public') relaying.foundPublic();
      upgrading.reachabilityChanged();
    },
  });
  writeLines(hub, networks.write.bind(networks));
  if (meter !== undefined) {
    measureNat(meter, hub, {
      status: () => probing.status.kind,
      reservations: () => reserving.places,
      relayedConnections: () => circuits.relayedCount,
      circuits: () => networks.relayHost.circuitCount,
      places: () => networks.relayHost.places,
      placesLimit: () => networks.relayHost.placesLimit,
    });
  }
  return new NatService({
    config,
    hub,
    networks,
    parts: { upgrading, circuits, reserving, relaying, probing },
  });
}

interface ServicePorts {
  readonly config: ReturnType<typeof resolveNatConfig>;
  readonly hub: EventHub<NatEvents>;
  readonly networks: Networks;
  readonly parts: {
    readonly upgrading: Upgrading;
    readonly circuits: Circuits;
    readonly reserving: Reserving;
    readonly relaying: Relaying;
    readonly probing: Probing;
  };
}

/** One service from five parts. Each of them may be enabled before the node starts, and begins then. */
class NatService implements Nat, Startable {
  readonly [Symbol.toStringTag] = '@lloom/nat';
  readonly addEventListener: Nat['addEventListener'];
  readonly removeEventListener: Nat['removeEventListener'];
  readonly events: Nat['events'];
  readonly forwardTo: Nat['forwardTo'];
  readonly #ports: ServicePorts;
  #isStarted = false;

  constructor(ports: ServicePorts) {
    this.#ports = ports;
    const { config, hub, parts } = ports;
    this.addEventListener = hub.addEventListener.bind(hub);
    this.removeEventListener = hub.removeEventListener.bind(hub);
    this.events = hub.events.bind(hub);
    this.forwardTo = hub.forwardTo.bind(hub);
    if (config.enableAutonat) void parts.probing.enable(config.autonat);
    if (config.relayServer !== false) parts.relaying.enableAtStart(config.relayServer);
  }

  /** Before anything listens or dials: relays are a transport. */
  async start(): Promise<void> {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { config, networks, parts } = this.#ports;
    if (config.enableRelay) await networks.startTransport();
    // It may have been stopped meanwhile.
    if (!this.#isStarted) return;
    await parts.upgrading.start();
    await parts.relaying.start();
  }

  /** When the node listens, and can be used. */
  async afterStart(): Promise<void> {
    if (!this.#isStarted) return;
    const { circuits, probing, reserving } = this.#ports.parts;
    circuits.start();
    reserving.start();
    await probing.start();
  }

  async stop(): Promise<void> {
    if (!this.#isStarted) return;
    this.#isStarted = false;
    const { hub, networks, parts } = this.#ports;
    parts.reserving.stop();
    parts.circuits.stop();
    await Promise.all([parts.probing.stop(), parts.upgrading.stop(), parts.relaying.stop()]);
    await networks.stopTransport();
    hub.close();
  }

  async enableAutonat(config?: AutonatConfig): Promise<void> {
    await this.#ports.parts.probing.enable(resolveAutonatConfig(config));
  }

  disableAutonat(): Promise<void> {
    return this.#ports.parts.probing.disable();
  }

  natStatus(): NatStatus {
    return this.#ports.parts.probing.status;
  }

  explainNat(): NatExplanation {
    const { probing, relaying, reserving, upgrading } = this.#ports.parts;
    return {
      ...probing.explain(),
      ...reserving.explain(),
      ...upgrading.explain(),
      isRelayServer: relaying.isEnabled,
    };
  }

  async enableRelayClient(config?: RelayClientConfig): Promise<void> {
    this.#mustRelay('enableRelayClient');
    this.#ports.parts.reserving.enable(resolveRelayClientConfig(config));
  }

  async disableRelayClient(): Promise<void> {
    this.#ports.parts.reserving.disable();
  }

  relayAddresses(): string[] {
    return this.#ports.parts.reserving.addresses;
  }

  async dialPeerThroughRelay(
    peer: PeerId | string,
    relayAddr: Multiaddr | string,
    config?: CallConfig,
  ): Promise<RelayedConnection | undefined> {
    const act = 'dialPeerThroughRelay';
    const call = resolveCallConfig(act, config);
    this.#mustRelay(act);
    if (!this.#isStarted) throw new NatError('STOPPED', { act });
    return this.#ports.parts.circuits.dial(toPeerId(peer).toString(), relayAddr, call);
  }

  async enableRelayServer(config?: RelayServerConfig): Promise<void> {
    this.#mustRelay('enableRelayServer');
    const resolved = resolveRelayServerConfig(config);
    const { probing, relaying } = this.#ports.parts;
    const { kind } = probing.status;
    if (resolved.onlyIfPublic && kind !== 'public') throw new NatError('NOT_PUBLIC', { status: kind });
    await relaying.enable(resolved, kind);
  }

  disableRelayServer(): Promise<void> {
    return this.#ports.parts.relaying.disable();
  }

  relayedCircuits(peer?: PeerId | string): readonly RelayedCircuit[] {
    return this.#ports.parts.relaying.circuits(peer === undefined ? undefined : textOf(peer));
  }

  endedCircuits(peer?: PeerId | string): readonly RelayedCircuit[] {
    return this.#ports.parts.relaying.endedCircuits(peer === undefined ? undefined : textOf(peer));
  }

  bytesLeft(peer: PeerId | string, connectionId?: string): number | undefined {
    return this.#ports.parts.circuits.bytesLeft(textOf(peer), connectionId);
  }

  async makeRoom(peer: PeerId | string, bytes: number, config?: CallConfig): Promise<boolean> {
    const call = resolveCallConfig('makeRoom', config);
    return this.#ports.parts.circuits.makeRoom(textOf(peer), bytes, call);
  }

  isNeeded(peer: PeerId | string): boolean {
    const { reserving, upgrading } = this.#ports.parts;
    const peerId = textOf(peer);
    return reserving.isNeeded(peerId) || upgrading.isNeeded(peerId);
  }

  #mustRelay(act: string): void {
    if (!this.#ports.config.enableRelay) throw new NatError('RELAY_DISABLED', { act });
  }
}

/** These calls come often, and parsing a peer id is dear. */
const textOf = (peer: PeerId | string): string => (typeof peer === 'string' ? peer : peer.toString());
