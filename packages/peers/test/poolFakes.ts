import { peersDefaults, resolvePool } from '../src/config.ts';
import type { CloseCause } from '../src/events.ts';
import { Pooling, type PoolingPorts } from '../src/pooling.ts';
import type { NetworkConnection, PeerUsage, RoleCandidate } from '../src/ports.ts';
import type { ConnectionInfo, ConnectionLimits, ConnectionPoolConfig, PeerRole } from '../src/types.ts';
import { FakeClock, turn } from './fakes.ts';

/** A connection as a test wants it. */
export interface PoolConnection extends NetworkConnection {
  isInUse: boolean;
  lastUsedAt: number;
}

/** A dial that ends when a test says so. */
interface PoolDial {
  readonly peerId: string;
  readonly addresses: readonly string[];
  readonly isRenewal: boolean;
  readonly signal: AbortSignal;
  /** Opens a connection. */
  readonly end: () => Promise<void>;
  readonly fail: () => Promise<void>;
}

/** The service around a pool: connections, dials and searches that do what a test says. */
export class PoolSurroundings {
  readonly clock = new FakeClock();
  readonly open = new Map<string, PoolConnection[]>();
  readonly closed: { readonly peerId: string; readonly connectionId: string; readonly cause: CloseCause }[] =
    [];
  readonly dials: PoolDial[] = [];
  readonly logged: string[] = [];
  readonly maintained = new Set<string>();
  readonly known = new Set<string>();
  readonly roles = new Map<string, readonly PeerRole[]>();
  readonly reputations = new Map<string, number>();
  readonly uses = new Map<string, PeerUsage>();
  readonly needed = new Set<string>();
  readonly values = new Map<string, number>();
  /** The roles that were searched. */
  readonly searches: PeerRole[] = [];
  /** What searches find. */
  found: readonly RoleCandidate[] = [];
  /** What a search waits for when it has found all. */
  searching: Promise<void> = Promise.resolve();
  limits: ConnectionLimits = peersDefaults;
  readonly pooling: Pooling;
  #count = 0;

  constructor() {
    const ports: PoolingPorts = {
      clock: this.clock,
      random: { bytes: (length) => new Uint8Array(length), float: () => 0.5 },
      inspect: {},
      selfPeerId: 'm',
      roles: {
        rolesOf: (peerId) => this.roles.get(peerId) ?? [],
        find: (role) => this.#find(role),
      },
      usage: {
        usageOf: (peerId) => this.uses.get(peerId),
        isNeeded: (peerId) => this.needed.has(peerId),
      },
      limits: () => this.limits,
      connected: () =>
        [...this.open].map(([peerId, connections]) => ({
          peerId,
          isMaintained: this.maintained.has(peerId),
          connections,
        })),
      known: () => [...this.known].filter((peerId) => !this.open.has(peerId)),
      reputationOf: (peerId) => this.reputations.get(peerId) ?? 0,
      tagValueOf: (peerId) => this.values.get(peerId) ?? 0,
      close: (peerId, connectionId, cause) => {
        this.closed.push({ peerId, connectionId, cause });
        this.lose(peerId, connectionId);
      },
      dial: (peerId, addresses, config) => this.#dial(peerId, addresses, config),
      log: (message) => this.logged.push(message),
    };
    this.pooling = new Pooling(ports);
  }

  /** Starts with a pool, and waits for the first look. */
  async start(pool?: ConnectionPoolConfig): Promise<void> {
    if (pool !== undefined) this.pooling.pool = resolvePool(pool);
    this.pooling.start();
    await turn();
  }

  /** A connection comes to be, whoever dialled. */
  connect(peerId: string, info: Partial<ConnectionInfo> = {}): PoolConnection {
    this.#count += 1;
    const now = this.clock.elapsed();
    const connection: PoolConnection = {
      id: `${peerId}-${this.#count}`,
      peerId,
      info: {
        direction: 'outbound',
        remoteAddress: '/memory/a',
        transport: 'memory',
        relayed: false,
        openedAt: now,
        ...info,
      },
      isOpen: true,
      isInUse: false,
      lastUsedAt: now,
      ping: () => Promise.resolve(1),
      close: () => Promise.resolve(),
    };
    this.open.set(peerId, [...(this.open.get(peerId) ?? []), connection]);
    this.pooling.wake();
    return connection;
  }

  /** A connection ends. */
  lose(peerId: string, connectionId: string): void {
    const left = (this.open.get(peerId) ?? []).filter(({ id }) => id !== connectionId);
    if (left.length === 0) this.open.delete(peerId);
    else this.open.set(peerId, left);
    this.pooling.wake();
  }

  /** Time passes, second by second, and all that can go on goes on. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) {
      this.clock.increment(Math.min(left, 1_000));
      await turn();
    }
  }

  /** Who was dialled, in this order. */
  get dialled(): string[] {
    return this.dials.map(({ peerId }) => peerId);
  }

  get closings(): string[] {
    return this.closed.map(({ connectionId, cause }) => `${connectionId} ${cause.code}`);
  }

  async *#find(role: PeerRole): AsyncGenerator<RoleCandidate> {
    this.searches.push(role);
    yield* this.found;
    await this.searching;
  }

  #dial(
    peerId: string,
    addresses: readonly string[],
    config: Pick<PoolDial, 'isRenewal' | 'signal'>,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const end = async (): Promise<void> => {
      this.connect(peerId);
      resolve();
      await turn();
    };
    const fail = async (): Promise<void> => {
      reject(new Error('nobody listens'));
      await turn();
    };
    this.dials.push({ peerId, addresses, ...config, end, fail });
    return promise;
  }
}
