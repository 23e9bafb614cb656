import { multiaddr } from '@multiformats/multiaddr';
import { SimulatedClock } from 'xstate';
import type { Clock, Random } from '@lloom/core';

import type {
  Candidate,
  DialTarget,
  Gate,
  NetworkConnection,
  NetworkWatcher,
  PeerNetwork,
  PeerRecord,
  PeersStore,
  StoredPeers,
  StoredValues,
} from '../src/ports.ts';
import type { ConnectionInfo, ConnectionLimits } from '../src/types.ts';

/** Three peer ids in ascending order; the node under test is the second. */
export const [smaller, self, larger] = [
  '12D3KooWAWzRyvEHhv5piPBm8p69uvzAB9AkWTwRJFKQjGLsDwoi',
  '12D3KooWP8ZmzRVKX4CNM6A9Fv7HcWkMvS95z488UXFSkoEwGQS8',
  '12D3KooWRU7nHnozMogFwCfXM8W3pgGC1Zh8Cnk6DCMGMMfhUzmu',
] as const;

/** Lets everything that waits for a promise go on. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Time that passes when a test says so. */
export class FakeClock extends SimulatedClock implements Clock {
  elapsed(): number {
    return this.now();
  }
}

/** Chance that a test decides on. */
export class FakeRandom implements Random {
  next = 0.5;

  bytes(length: number): Uint8Array {
    return new Uint8Array(length);
  }

  float(): number {
    return this.next;
  }
}

/** Somebody who asks to be let in. */
export const candidateOf = (peerId: string, rest: Partial<Candidate> = {}): Candidate => ({
  peerId,
  direction: 'inbound',
  relayed: false,
  remoteAddress: multiaddr('/memory/candidate'),
  ...rest,
});

/** A connection that closes when it is asked to. */
export class FakeConnection implements NetworkConnection {
  /** False while it is being closed by somebody, too. */
  isOpen = true;
  isInUse = false;
  lastUsedAt = 0;
  /** What a ping does. */
  pinging: (signal: AbortSignal) => Promise<number> = () => Promise.resolve(1);
  #hasEnded = false;
  readonly id: string;
  readonly peerId: string;
  readonly info: ConnectionInfo;
  readonly #onClose: (connection: FakeConnection, error?: unknown) => void;

  constructor(
    id: string,
    peer: { readonly peerId: string } & Partial<ConnectionInfo>,
    onClose: (connection: FakeConnection, error?: unknown) => void,
  ) {
    const { peerId, ...info } = peer;
    this.id = id;
    this.peerId = peerId;
    this.#onClose = onClose;
    this.info = {
      direction: 'outbound',
      remoteAddress: `/memory/${id}`,
      transport: 'memory',
      relayed: false,
      openedAt: 0,
      ...info,
    };
  }

  ping(signal: AbortSignal): Promise<number> {
    return this.pinging(signal);
  }

  close(): Promise<void> {
    this.end();
    return Promise.resolve();
  }

  /** Ends it as a peer or the network would. */
  end(error?: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.isOpen = false;
    this.#onClose(this, error);
  }
}

/** A dial that ends when a test says so. */
export interface FakeDial extends DialTarget {
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
}

/** A network that does what a test says, and keeps what it was asked for. */
export class FakeNetwork implements PeerNetwork {
  readonly peerId: string = self;
  readonly dials: FakeDial[] = [];
  readonly released: string[] = [];
  readonly remembered: { readonly peerId: string; readonly addresses: readonly string[] }[] = [];
  readonly forgotten: { readonly peerId: string; readonly addresses: readonly string[] }[] = [];
  /** Addresses that no transport can use, in full. */
  readonly undialable = new Set<string>();
  readonly logged: string[] = [];
  readonly noted: object[] = [];
  /** Codes of warnings. */
  readonly warned: string[] = [];
  readonly connections = new Set<FakeConnection>();
  limits: ConnectionLimits | undefined;
  /** What `release` waits for, and fails with. */
  releasing: Promise<void> = Promise.resolve();
  rememberFailure: Error | undefined;
  monitorsTaken = 0;
  drains = 0;
  #gate: Gate | undefined;
  #watcher: NetworkWatcher | undefined;
  #count = 0;

  get gate(): Gate {
    if (this.#gate === undefined) throw new Error('guard was not called');
    return this.#gate;
  }

  get isWatched(): boolean {
    return this.#watcher !== undefined;
  }

  guard(gate: Gate): void {
    this.#gate = gate;
  }

  watch(watcher: NetworkWatcher): () => void {
    this.#watcher = watcher;
    for (const connection of this.connections) watcher.opened(connection);
    return () => {
      this.#watcher = undefined;
    };
  }

  /** Opens a connection, whoever dialled. */
  open(peerId: string, info: Partial<ConnectionInfo> = {}): FakeConnection {
    this.#count += 1;
    const connection = new FakeConnection(`c${this.#count}`, { peerId, ...info }, (closed, error) => {
      this.connections.delete(closed);
      this.#watcher?.closed(closed, error);
    });
    this.connections.add(connection);
    this.#watcher?.opened(connection);
    return connection;
  }

  /** Says a second time that a connection is open, as if it had been found twice. */
  repeat(connection: FakeConnection): void {
    this.#watcher?.opened(connection);
  }

  record(record: PeerRecord): void {
    this.#watcher?.recorded(record);
  }

  dial(target: DialTarget): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.dials.push({ ...target, end: resolve, fail: reject });
    target.signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')), {
      once: true,
    });
    return promise;
  }

  /** The newest dial. */
  get lastDial(): FakeDial {
    const dial = this.dials.at(-1);
    if (dial === undefined) throw new Error('nothing was dialled');
    return dial;
  }

  async release(peerId: string): Promise<void> {
    this.released.push(peerId);
    await this.releasing;
    for (const connection of this.connections) if (connection.peerId === peerId) connection.end();
  }

  remember(peerId: string, addresses: readonly string[]): Promise<void> {
    this.remembered.push({ peerId, addresses });
    return this.rememberFailure === undefined ? Promise.resolve() : Promise.reject(this.rememberFailure);
  }

  forget(peerId: string, addresses: readonly string[]): Promise<void> {
    this.forgotten.push({ peerId, addresses });
    return Promise.resolve();
  }

  canDial(address: string): boolean {
    return !this.undialable.has(address);
  }

  listenedAddresses(): string[] {
    return ['/ip4/127.0.0.1/tcp/4001'];
  }

  setLimits(limits: ConnectionLimits): void {
    this.limits = limits;
  }

  drain(): void {
    this.drains += 1;
  }

  takeOverMonitoring(): void {
    this.monitorsTaken += 1;
  }

  log(message: string): void {
    this.logged.push(message);
  }

  note(text: string, fields: object): void {
    this.noted.push({ text, ...fields });
  }

  warn(code: string): void {
    this.warned.push(code);
  }
}

/** A store that keeps what it is given, does what a test says, and outlives services. */
export class FakeStore implements PeersStore {
  readonly kept: { [K in keyof StoredValues]: Map<string, StoredValues[K]> } = {
    ban: new Map(),
    addresses: new Map(),
    maintained: new Map(),
    reputation: new Map(),
  };
  /** What every call waits for, and fails with. */
  working: Promise<void> = Promise.resolve();
  settledCalls = 0;

  async load(): Promise<StoredPeers> {
    await this.working;
    return structuredClone(this.kept);
  }

  async put<K extends keyof StoredValues>(kind: K, peerId: string, value: StoredValues[K]): Promise<void> {
    await this.working;
    this.kept[kind].set(peerId, structuredClone(value));
  }

  async delete(kind: keyof StoredValues, peerId: string): Promise<void> {
    await this.working;
    this.kept[kind].delete(peerId);
  }

  async settled(): Promise<void> {
    this.settledCalls += 1;
    await this.working.catch(() => undefined);
  }
}
