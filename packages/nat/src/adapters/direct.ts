import type { Connection, IdentifyResult, Transport } from '@libp2p/interface';
import { errorText, safe, systemClock, toPeerId, withPeerId, type Clock, withinTime } from '@lloom/core';
import type { Multiaddr } from '@multiformats/multiaddr';
import { Circuit } from '@multiformats/multiaddr-matcher';
import { DialBudget } from '../internal/dialBudget.ts';
import type { DirectNetwork, PeerLinks, PunchCall, PunchPlan, PunchWish } from '../internal/directNetwork.ts';
import type { NatComponents, NatPorts } from '../ports.ts';
import type { NatMapping } from '../types.ts';
import { DcutrStream, dcutrProtocol, IncomingCall } from './dcutr.ts';
import { pause, punch } from './punch.ts';
import { addressOf, hostOf, isLoopback, isPunchable, ownHosts, readTargets } from './punchAddresses.ts';
import { isLocalRelay, PunchPorts, type PunchPort } from './punchPort.ts';

/** Of the addresses that a peer has said, so many are dialled. */
const maxDialed = 8;
/** One at a time is enough; one more may begin before the last has quite ended. */
const streamLimits = { maxInboundStreams: 2, maxOutboundStreams: 2 };
/** How long a peer has for each message, in ms: it may have its port observed before it answers, for 1.5 s. */
const messageLimitMs = 3_000;
/** How long both dial, in ms. A lost packet is sent again after 1 s and 3 s. */
const punchLimitMs = 4_000;

/** Direct connections through libp2p: reversal by its dialer, DCUtR and punches by our own hand. */
export const libp2pDirect = (components: NatComponents, { clock = systemClock }: NatPorts): DirectNetwork =>
  new Libp2pDirect(components, clock);

/** What both sides have when all is said. */
interface Terms {
  readonly peerId: string;
  readonly port: PunchPort;
  readonly stream: DcutrStream;
  readonly targets: readonly Multiaddr[];
  readonly isClient: boolean;
  /** When to dial, by the clock that never goes back. */
  readonly atMs: number;
}

class Libp2pDirect implements DirectNetwork {
  readonly selfPeerId: string;
  readonly #components: NatComponents;
  readonly #clock: Clock;
  readonly #ports: PunchPorts;
  readonly #budget = new DialBudget();
  readonly #identified = new WeakSet<Connection>();
  /** Ends what outlives an attempt. */
  #run = new AbortController();

  constructor(components: NatComponents, clock: Clock) {
    this.selfPeerId = components.peerId.toString();
    this.#components = components;
    this.#clock = clock;
    this.#ports = new PunchPorts(components, clock);
  }

  relayedPeers(): readonly string[] {
    const relayed = this.#components.connectionManager.getConnections().filter(isRelayed);
    return Array.from(new Set(relayed.map(({ remotePeer }) => remotePeer.toString())));
  }

  linksTo(peerId: string): PeerLinks {
    const open = this.#connectionsTo(peerId);
    const direct = open.find((connection) => connection.direct);
    const relayed = open.filter(isRelayed);
    const isInbound = relayed.some(({ direction }) => direction === 'inbound');
    const isIdentified = relayed.some((connection) => this.#identified.has(connection));
    return {
      ...(direct && {
        direct: { address: direct.remoteAddr.toString(), isInbound: direct.direction === 'inbound' },
      }),
      ...(relayed.length > 0 && { relayed: { isInbound, isIdentified } }),
    };
  }

  ownAddresses(): readonly string[] {
    const announced = this.#components.addressManager.getAddresses();
    const direct = announced.filter((address) => !Circuit.matches(address)).map(String);
    return Array.from(new Set([...direct, ...ownHosts(true)])).toSorted();
  }

  watch(changed: (peerId: string) => void): () => void {
    const { events } = this.#components;
    const log = (error: unknown): void => this.#log('a change was not heard', error);
    const moved = safe(({ detail }: CustomEvent<Connection>) => changed(detail.remotePeer.toString()), log);
    const identified = safe(({ detail }: CustomEvent<IdentifyResult>) => {
      this.#identified.add(detail.connection);
      this.#ports.hear(detail);
      changed(detail.peerId.toString());
    }, log);
    events.addEventListener('connection:open', moved);
    events.addEventListener('connection:close', moved);
    events.addEventListener('peer:identify', identified);
    return () => {
      events.removeEventListener('connection:open', moved);
      events.removeEventListener('connection:close', moved);
      events.removeEventListener('peer:identify', identified);
    };
  }

  async serve(asked: (call: PunchCall) => void): Promise<() => Promise<void>> {
    const { registrar } = this.#components;
    const run = new AbortController();
    this.#run = run;
    const calls = new Set<IncomingCall>();
    const config = { ...streamLimits, runOnLimitedConnection: true };
    // A service of libp2p's own may speak it already.
    if (registrar.getProtocols().includes(dcutrProtocol)) {
      this.#log('another service answers', new Error(`${dcutrProtocol} is taken`));
      return () => Promise.resolve();
    }
    await registrar.handle(
      dcutrProtocol,
      (stream, connection) => {
        const call = new IncomingCall(stream, connection);
        if (connection.direct) return call.refuse('there is no relay to leave');
        calls.add(call);
        const forget = safe(
          () => calls.delete(call),
          (error) => this.#log('a call was not forgotten', error),
        );
        stream.addEventListener('close', forget, { once: true });
        void this.#hear(call, asked);
      },
      config,
    );
    return async () => {
      run.abort(new Error('this node stops'));
      for (const call of calls) call.refuse('this node stops');
      await registrar.unhandle(dcutrProtocol);
    };
  }

  /** A call counts once the peer has said where it is: whoever says nothing takes no place but that of its stream. */
  async #hear(call: IncomingCall, asked: (call: PunchCall) => void): Promise<void> {
    try {
      await this.#message(this.#run.signal, (within) => call.hear(within));
      asked(call);
    } catch (error) {
      call.refuse(errorText(error));
    }
  }

  /** What takes one message of the peer. @throws when it does not come in time */
  #message<T>(signal: AbortSignal, work: (within: AbortSignal) => Promise<T>): Promise<T> {
    return withinTime({ clock: this.#clock, ms: messageLimitMs, signal }, work);
  }

  #read(stream: DcutrStream, type: 'connect' | 'sync', signal: AbortSignal): Promise<readonly Uint8Array[]> {
    return this.#message(signal, (within) => stream.read(type, within));
  }

  async dial(peerId: string, signal: AbortSignal): Promise<void> {
    const { connectionManager, peerStore, transportManager } = this.#components;
    const remotePeer = toPeerId(peerId);
    const isLocal = this.#connectionsTo(peerId).filter(isRelayed).some(isLocalRelay);
    const { addresses } = await peerStore.get(remotePeer, { signal });
    const targets = addresses
      .map(({ multiaddr: address }) => address)
      .filter((address) => !Circuit.matches(address))
      .filter((address) => hostOf(address) === undefined || isPunchable(hostOf(address) ?? '', isLocal))
      .filter((address) => transportManager.dialTransportForMultiaddr(address) !== undefined)
      .slice(0, maxDialed)
      .filter((address) => this.#mayDial(address))
      .map((address) => withPeerId(address, remotePeer));
    if (targets.length === 0) throw new Error('the peer has said no address that could be dialled');
    // Without force the connection through the relay would do.
    const connection = await this.#untilDirect(peerId, signal, (until) =>
      connectionManager.openConnection(targets, { force: true, signal: until }),
    );
    if (!connection.direct) throw new Error('the connection goes through a relay as well');
  }

  #mayDial(address: Multiaddr): boolean {
    const host = hostOf(address);
    return host === undefined || isLoopback(host) || this.#budget.take(host, this.#clock.elapsed());
  }

  /** The signal that the work is given does not fire when there is a direct connection: it would be ended with the others. */
  async #untilDirect<T>(
    peerId: string,
    signal: AbortSignal,
    work: (until: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const stopped = new AbortController();
    const stop = (): void => {
      if (this.linksTo(peerId).direct === undefined) stopped.abort(signal.reason);
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await work(AbortSignal.any([stopped.signal, this.#run.signal]));
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async agree({ call, mapping, peerId }: PunchWish, signal: AbortSignal): Promise<PunchPlan> {
    const transport = this.#transport();
    if (transport === undefined) return { seen: [], reason: 'no address to punch', ...nothing };
    if (call instanceof IncomingCall) return this.#answer(call, { transport, mapping }, signal);
    return this.#lead(peerId, { transport, mapping }, signal);
  }

  async #lead(peerId: string, { transport, mapping }: Means, signal: AbortSignal): Promise<PunchPlan> {
    const all = this.#connectionsTo(peerId).filter(isRelayed);
    const relayed = all.find(({ direction }) => direction === 'inbound') ?? all[0];
    if (relayed === undefined) throw new Error('the connection through the relay is gone');
    const port = await this.#ports.open(transport, { relayed, mapping, isUrgent: false }, signal);
    let stream: DcutrStream | undefined;
    try {
      const began = this.#clock.elapsed();
      const opened = await this.#message(signal, (within) =>
        relayed.newStream(dcutrProtocol, { signal: within, runOnLimitedConnection: true }),
      );
      stream = new DcutrStream(opened);
      if (opened.status !== 'open') throw new Error('the peer has ended the stream');
      const sent = this.#clock.elapsed();
      await stream.send('connect', port.addresses, signal);
      // The peer is to know why nothing comes of it.
      if (port.addresses.length === 0) {
        stream.close();
        return this.#useless(port, 'no address to punch');
      }
      const said = await this.#read(stream, 'connect', signal);
      const targets = readTargets(said, isLocalRelay(relayed));
      // The peer may have its port observed before it answers; opening the stream takes one round trip as well.
      const rttMs = Math.min(sent - began, this.#clock.elapsed() - sent);
      if (targets.length === 0) {
        stream.abort('nothing to dial');
        return this.#useless(port, 'peer has no address to punch');
      }
      await stream.send('sync', [], signal);
      const atMs = this.#clock.elapsed() + rttMs / 2;
      return this.#plan({ peerId, port, stream, targets: targets.map(addressOf), isClient: false, atMs });
    } catch (error) {
      port.end();
      stream?.abort(errorText(error));
      throw error;
    }
  }

  async #answer(call: IncomingCall, { transport, mapping }: Means, signal: AbortSignal): Promise<PunchPlan> {
    const { peerId, relayed, stream } = call;
    const targets = readTargets(call.said, isLocalRelay(relayed));
    let port: PunchPort | undefined;
    try {
      if (targets.length === 0) {
        stream.close();
        return { ...nothing, seen: [], reason: 'peer has no address to punch' };
      }
      port = await this.#ports.open(transport, { relayed, mapping, isUrgent: true }, signal);
      await stream.send('connect', port.addresses, signal);
      if (port.addresses.length === 0) {
        stream.close();
        return this.#useless(port, 'no address to punch');
      }
      await this.#read(stream, 'sync', signal);
      const atMs = this.#clock.elapsed();
      return this.#plan({ peerId, port, stream, targets: targets.map(addressOf), isClient: true, atMs });
    } catch (error) {
      port?.end();
      stream.abort(errorText(error));
      throw error;
    }
  }

  #useless(port: PunchPort, reason: NonNullable<PunchPlan['reason']>): PunchPlan {
    port.end();
    return { ...nothing, seen: port.seen, reason };
  }

  #plan(terms: Terms): PunchPlan {
    const { port, stream } = terms;
    stream.close();
    return { seen: port.seen, punch: (signal) => this.#punch(terms, signal), end: () => port.end() };
  }

  async #punch({ atMs, isClient, peerId, port, targets }: Terms, signal: AbortSignal): Promise<void> {
    const transport = this.#transport();
    if (transport === undefined) throw new Error('TCP is gone');
    await pause(this.#clock, Math.max(0, atMs - this.#clock.elapsed()), signal);
    const { localPort } = port;
    const { connectionGater, upgrader } = this.#components;
    const means = { connectionGater, upgrader, transport, clock: this.#clock, budget: this.#budget };
    const wanted = { peerId: toPeerId(peerId), targets, localPort, isClient };
    // The peer chooses which of several stays.
    await this.#untilDirect(peerId, signal, (until) =>
      punch(means, wanted, AbortSignal.any([until, AbortSignal.timeout(punchLimitMs)])),
    );
  }

  #transport(): Transport | undefined {
    const transports = this.#components.transportManager.getTransports();
    return transports.find((transport) => transport[Symbol.toStringTag] === '@libp2p/tcp');
  }

  #connectionsTo(peerId: string): Connection[] {
    const { connectionManager } = this.#components;
    return connectionManager.getConnections(toPeerId(peerId)).filter(({ status }) => status === 'open');
  }

  #log(message: string, error: unknown): void {
    this.#components.logger.forComponent('lloom:nat:direct')('%s - %s', message, errorText(error));
  }
}

interface Means {
  readonly transport: Transport;
  readonly mapping: NatMapping;
}

const nothing = {
  punch: () => Promise.reject(new Error('there is nothing to punch')),
  end: () => undefined,
};

const isRelayed = ({ direct, status }: Connection): boolean => !direct && status === 'open';
