import { errorText, safe, toMultiaddr, toPeerId, withPeerId, type Clock, type Random } from '@lloom/core';

import type { ResolvedPeersConfig } from './config.ts';
import { PeersError, type PeersErrorCode, type PeersFailure } from './errors.ts';
import type { Ban, CloseCause } from './events.ts';
import { isOfPeer } from './internal/dialFailure.ts';
import { DialWaiters } from './internal/dialWaiters.ts';
import type { Gatekeeper } from './internal/gatekeeper.ts';
import { HeldConnections } from './internal/heldConnections.ts';
import type { PeerEmitted } from './internal/peerLife.ts';
import type { PeersMeter } from './internal/peersMeter.ts';
import { RunningDials } from './internal/runningDials.ts';
import type { PeerActor, PeerActors } from './peerActors.ts';
import type { NetworkConnection, PeerNetwork } from './ports.ts';
import type { ConnectionInfo, PeerExplanation } from './types.ts';

/** What one peer needs of the service. */
export interface TrackedPeerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly config: ResolvedPeersConfig;
  readonly network: PeerNetwork;
  readonly gate: Gatekeeper;
  readonly meter: Pick<PeersMeter, 'dialled'>;
  banOf(peerId: string): Ban | undefined;
  readonly actors: PeerActors;
  /** The peer cannot be reached, and is to blame as far as can be seen. Once for each time. */
  onUnreachable(peerId: string): void;
}

/** One peer: its machine, its connections, and those who wait for it. */
export class TrackedPeer {
  readonly peerId: string;
  readonly connections = new HeldConnections();
  readonly #ports: TrackedPeerPorts;
  readonly #actor: PeerActor;
  readonly #waiters = new DialWaiters();
  /** Those who wait for the peer to be disconnected. */
  #closers: readonly PromiseWithResolvers<void>[] = [];
  readonly #dials: RunningDials;
  readonly #onChange: (peer: TrackedPeer) => void;
  /** The connection that is being replaced, or was and is still open. */
  #replaced: string | undefined;
  #isRenewing = false;
  /** What the latest dial threw: the error that is told, with its cause. */
  #thrown: unknown;
  /** Why the latest dial failed, when it did. */
  #lastError: string | undefined;
  /** Whether it was blamed since the last connection: once is enough, however often it is dialled. */
  #isBlamed = false;

  /** @param onChange told whenever its state has changed */
  constructor(peerId: string, ports: TrackedPeerPorts, onChange: (peer: TrackedPeer) => void) {
    this.peerId = peerId;
    this.#ports = ports;
    this.#onChange = onChange;
    const { actors, clock, config, random } = ports;
    const { dialTimeoutMs, redialMaxDelayMs, redialMinDelayMs } = config;
    const isConnected = (): boolean => this.connections.size > 0;
    this.#dials = new RunningDials({ clock, isConnected, lingerMs: dialTimeoutMs });
    const seed = Math.floor(random.float() * 2 ** 32);
    const input = { peerId, dialTimeoutMs, redial: { redialMaxDelayMs, redialMinDelayMs }, seed };
    this.#actor = actors.create(input);
    this.#follow();
  }

  /** What its machine is in. */
  get state(): Exclude<PeerExplanation['state'], 'absent'> {
    // The machine leaves `away` at once.
    return this.#actor.getSnapshot().value as Exclude<PeerExplanation['state'], 'absent'>;
  }

  /** Whether there is no reason to keep track of it. */
  get isIdle(): boolean {
    const { context, value } = this.#actor.getSnapshot();
    const isAway = value === 'disconnected' || (value === 'banned' && !context.isMaintained);
    return isAway && this.#closers.length === 0 && this.connections.size === 0;
  }

  /** Whether it may have one connection more than others, because an old one is being replaced. */
  get isReplacing(): boolean {
    return this.#replaced !== undefined;
  }

  /** How redials have gone. */
  get redials(): NonNullable<PeerExplanation['maintained']> {
    const { context } = this.#actor.getSnapshot();
    const failures = this.connections.open().length > 0 ? 0 : context.failures;
    return { failures, ...(this.#lastError !== undefined && { lastError: this.#lastError }) };
  }

  /** Whether it is a new one. */
  opened(connection: NetworkConnection): boolean {
    const at = this.#ports.clock.elapsed();
    if (!this.connections.add(connection, at)) return false;
    this.#lastError = undefined;
    this.#isBlamed = false;
    this.#actor.send({ type: 'connection.opened', connectionId: connection.id, at });
    return true;
  }

  /** It cannot be reached, and is blamed for that until the next connection. */
  noteUnreachable(): void {
    if (this.#isBlamed) return;
    this.#isBlamed = true;
    this.#ports.onUnreachable(this.peerId);
  }

  /** Tells those who wait that there is a connection, when there is. */
  tellOpen(): void {
    const [best] = this.connections.open();
    if (best !== undefined) this.#waiters.resolve(best);
  }

  /** Says why it ended; `undefined` when it was not held. */
  closed(id: string, error: unknown): { readonly cause: CloseCause | undefined } | undefined {
    const removed = this.connections.remove(id, error);
    if (removed === undefined) return undefined;
    this.#actor.send({ type: 'connection.closed', connectionId: id, at: this.#ports.clock.elapsed() });
    this.#endReplacing();
    return removed;
  }

  /** Waits for a connection, and dials unless that is being done. */
  connect(addresses: readonly string[], signal: AbortSignal | undefined): Promise<ConnectionInfo> {
    const { peerId } = this;
    const onAbort = (): PeersError => {
      if (!this.#waiters.hasCovered(this.#tried)) this.#actor.send({ type: 'dial.cancel' });
      this.settle();
      return new PeersError('CANCELLED', { peerId, by: 'signal' });
    };
    const connected = this.#waiters.add({ addresses, signal, onAbort });
    this.connections.finish();
    this.settle();
    return connected;
  }

  /** Dials once more beside the connections that there are; the oldest of them does not count meanwhile. */
  async renew(addresses: readonly string[], signal: AbortSignal): Promise<void> {
    const { clock, config, gate, meter, network } = this.#ports;
    const { peerId } = this;
    const limit = new AbortController();
    const timer = clock.setTimeout(() => limit.abort(), config.dialTimeoutMs);
    const endAdmission = gate.admit([...addresses, ...this.#dialled()]);
    const [old] = this.connections.held().toSorted((a, b) => a.openedAt - b.openedAt);
    this.#replaced = old?.id;
    this.#isRenewing = true;
    try {
      await this.#dials.run(AbortSignal.any([signal, limit.signal]), (own) =>
        network.dial({ peerId, addresses, signal: own, isRenewal: true }),
      );
      meter.dialled('connected');
    } catch (error) {
      if (!signal.aborted) meter.dialled('failed');
      throw error;
    } finally {
      endAdmission();
      clock.clearTimeout(timer);
      this.#isRenewing = false;
      this.#endReplacing();
    }
  }

  /** Ends what is waited for, and closes every connection. A ban ends all dials as well. */
  async close(type: 'peer.disconnect' | 'peer.ban', cause: CloseCause, told?: PeersError): Promise<void> {
    if (told !== undefined) this.#waiters.reject(told);
    if (type === 'peer.ban') this.#dials.abort();
    this.connections.markAll(cause);
    const closer = Promise.withResolvers<void>();
    this.#closers = [...this.#closers, closer];
    this.#actor.send({ type });
    await closer.promise;
  }

  /** A ban has ended. */
  unban(): void {
    this.#actor.send({ type: 'peer.unban' });
  }

  /** Dials now, and whenever the connection is lost. */
  maintain(): void {
    this.#actor.send({ type: 'peer.maintain' });
  }

  /** Ends that. */
  release(): void {
    this.#actor.send({ type: 'peer.release' });
    if (this.state === 'dialing' && this.#waiters.size === 0) this.#actor.send({ type: 'dial.cancel' });
  }

  /** Dials for whoever waits next, when nothing stands against it. */
  settle(): void {
    const { state } = this;
    const addresses = state === 'disconnected' || state === 'resting' ? this.#waiters.next : undefined;
    if (addresses !== undefined) this.#actor.send({ type: 'peer.dial', addresses });
    else this.#onChange(this);
  }

  /** Ends the machine; nothing is waited for. */
  forget(): void {
    this.#actor.send({ type: 'peer.forget' });
  }

  /** Ends everything; gives the connections that are still open. */
  stop(): NetworkConnection[] {
    this.#waiters.reject(new PeersError('STOPPED', { peerId: this.peerId }));
    for (const closer of this.#closers) closer.resolve();
    this.forget();
    this.#dials.abort();
    return this.connections.clear();
  }

  #follow(): void {
    const { peerId } = this;
    const log = (error: unknown): void =>
      this.#ports.network.log('the machine of a peer failed', error, { peerId });
    this.#actor.on(
      '*',
      safe((told) => this.#onTold(told), log),
    );
    this.#actor.start();
    this.#actor.subscribe({ next: safe(() => this.settle(), log), error: log });
  }

  #onTold(told: PeerEmitted): void {
    if (told.type === 'dial.failed') this.#onDialFailed(told.failure);
    else if (told.type === 'close.ended') this.#tellClosers();
    else {
      // Of a banned peer nothing counts as open, whatever libp2p says.
      if (this.#ports.banOf(this.peerId) === undefined) this.connections.unmarkAll();
      this.#tellClosers(new PeersError('CLOSE_FAILED', { peerId: this.peerId, reason: told.reason }));
    }
  }

  #onDialFailed(failure: PeersFailure): void {
    this.#ports.meter.dialled('failed');
    const { code, data } = failure;
    const thrown = this.#thrown;
    const error = PeersError.is(thrown, code) ? thrown : new PeersError<PeersErrorCode>(code, data);
    this.#lastError = errorText(error);
    this.#waiters.rejectCovered(this.#tried, error);
    if (isOfPeer(failure)) this.noteUnreachable();
  }

  #tellClosers(failure?: PeersError): void {
    const closers = this.#closers;
    this.#closers = [];
    for (const { resolve, reject } of closers) {
      if (failure === undefined) resolve();
      else reject(failure);
    }
  }

  /** What the machine does while it dials. */
  async carryOutDial(addresses: readonly string[], signal: AbortSignal): Promise<void> {
    const { gate, meter, network } = this.#ports;
    const { peerId } = this;
    const endAdmission = gate.admit(addresses);
    try {
      this.#thrown = undefined;
      // Whoever waits has been let in already. Without them it is maintained.
      if (this.#waiters.size === 0) gate.checkRedial(peerId);
      await this.#dials.run(signal, (own) =>
        network.dial({ peerId, addresses, signal: own, isRenewal: false }),
      );
      // One that was closed again is told as failed.
      if (this.connections.size > 0) meter.dialled('connected');
    } catch (error) {
      if (!signal.aborted) this.#thrown = error;
      throw error;
    } finally {
      endAdmission();
    }
  }

  /** When the old connection is gone, or nothing has come beside it. */
  #endReplacing(): void {
    if (this.#isRenewing || this.#replaced === undefined) return;
    const { gate } = this.#ports;
    const isExceeded = this.connections.usable().length > gate.limits.maxConnectionsPerPeer;
    if (isExceeded && this.connections.has(this.#replaced)) return;
    this.#replaced = undefined;
    this.connections.trim(gate.ruleFor(this.peerId));
  }

  /** Where open connections lead, in full: who admitted them, the user perhaps, admits others to the same place. */
  #dialled(): string[] {
    const outbound = this.connections.usable().filter(({ info }) => info.direction === 'outbound');
    return outbound.map(({ info }) =>
      withPeerId(toMultiaddr(info.remoteAddress), toPeerId(this.peerId)).toString(),
    );
  }

  /** Where the current dial tries. */
  get #tried(): readonly string[] {
    return this.#actor.getSnapshot().context.addresses;
  }
}
