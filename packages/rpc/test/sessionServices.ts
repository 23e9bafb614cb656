import { orAbort, zeroAddress, type Hex, type Random, type Signer } from '@lloom/core';
import { cryptoBackend, Identity } from '@lloom/identity';
import { seededRandom, VirtualClock } from '@lloom/simkit';
import { expect } from 'vitest';
import { resolveRpcConfig } from '../src/config.ts';
import { RpcError, type CustomProtocol, type RpcConfig, type RpcPorts } from '../src/index.ts';
import type { LogFields, Network, NetworkHosts, RequestRef, SessionLink } from '../src/ports.ts';
import { RpcService } from '../src/rpc.ts';
import { Ledger } from './ledger.ts';
import { unlimited } from './nodes.ts';
import { createLinks, type LinkEnd, type Links, type LinksConfig } from './sessionLinks.ts';
import { turnOfPromises } from './sessionProbes.ts';

// Virtual time does not wait for a module that loads.
await cryptoBackend();

/** How long bytes are under way. */
export interface Pace {
  /** One way, in ms. */
  readonly delayMs: () => number;
  readonly bytesPerSecond: number;
}

/** What lies between services. */
export interface WorldConfig {
  /** Asked for each session that is opened. */
  readonly links?: () => LinksConfig;
  /** Told of each session that is opened, before anything is written. */
  readonly onOpen?: (links: Links) => void;
  /** Bytes take their time. @default they arrive when the test says so, with {@link World.settle} */
  readonly pace?: () => Pace;
  /** How long a session takes to open, in ms; `undefined`: it cannot be opened. @default no time */
  readonly dialMs?: () => number | undefined;
  /** Whether lines about requests are kept. @default false */
  readonly isTraced?: boolean;
}

/** A line of a service's log. */
export interface Line {
  readonly by: string;
  readonly text: string;
  readonly fields: LogFields | undefined;
}

/** A service, and what it must not leave behind. */
export interface TestService {
  readonly rpc: RpcService;
  readonly identity: Identity;
  readonly peerId: string;
  readonly ledger: Ledger;
}

const zeroes: Hex = `0x${'00'.repeat(32)}`;

/** Signs with what proves nothing, at no cost. For services that ignore signatures. */
export const constantSigner: Signer = {
  address: zeroAddress,
  sign: ({ to = zeroAddress, inReplyTo = zeroes, payloadType, payloadBytes }) =>
    Promise.resolve({
      payloadType,
      payloadBytes,
      signer: zeroAddress,
      to,
      inReplyTo,
      timestampMs: 1,
      expiresMs: 2,
      nonce: zeroes,
      signature: `0x${'00'.repeat(65)}`,
    }),
};

/** A protocol of bytes. */
export function bytesProtocol(
  protocolName: string,
  handleRequest?: CustomProtocol<Uint8Array, Uint8Array>['handleRequest'],
): CustomProtocol<Uint8Array, Uint8Array> {
  const codec = { encode: (value: Uint8Array) => value, decode: (bytes: Uint8Array) => bytes };
  return { protocolName, request: codec, response: codec, ...(handleRequest && { handleRequest }) };
}

/** How large a piece of a write travels by itself, as segments of one write do. */
const segmentBytes = 16 * 1024;

/** Services that reach one another through sessions in memory, in virtual time, without libp2p. */
export class World {
  readonly clock = new VirtualClock();
  /** Every session that was opened; the near end is the one that asks. */
  readonly links: Links[] = [];
  readonly services: TestService[] = [];
  /** What services noted. */
  readonly notes: string[] = [];
  /** The same with what stands beside it, and the lines about requests. */
  readonly lines: Line[] = [];
  readonly #config: WorldConfig;
  readonly #hosts = new Map<string, NetworkHosts>();

  constructor(config: WorldConfig = {}) {
    this.#config = config;
  }

  /** Starts a service. The same seed gives the same peer. */
  async add(
    seed: string,
    {
      signer,
      verifier,
      tracer,
      ...config
    }: RpcConfig & Pick<RpcPorts, 'signer' | 'verifier' | 'tracer'> = {},
  ): Promise<TestService> {
    const ledger = new Ledger();
    const clock = ledger.watch(this.clock);
    const random: Random = seededRandom(seed);
    const identity = Identity.fromPrivateKey(`0x${Buffer.from(random.bytes(32)).toString('hex')}`, {
      clock,
      random,
    });
    const { peerId } = identity;
    const ports = { signer: signer ?? identity.signer(), verifier: verifier ?? identity.verifier() };
    const service = new RpcService(this.#network(peerId), resolveRpcConfig({ ...unlimited, ...config }), {
      clock,
      random,
      ...ports,
      ...(tracer && { tracer }),
    });
    ledger.listen(service);
    await service.start();
    const added = { rpc: service, identity, peerId, ledger };
    this.services.push(added);
    return added;
  }

  /** Ends turns and delivers bytes until nothing more happens, promises included. Time stands still. */
  async settle(): Promise<void> {
    let quietTurns = 0;
    while (quietTurns < 3) {
      const hasHappened = this.links.map((each) => each.step()).includes(true);
      await turnOfPromises();
      quietTurns = hasHappened ? 0 : quietTurns + 1;
    }
  }

  /** Lets time pass until some work has ended. Rejects as it does. */
  async run<T>(work: Promise<T>, limitMs = 600_000): Promise<T> {
    let hasEnded = false;
    const end = (): void => void (hasEnded = true);
    work.then(end, end);
    await this.clock.runUntil(() => hasEnded, limitMs);
    if (!hasEnded) throw new Error(`it has not ended within ${limitMs} ms`);
    return work;
  }

  /** A session whose client is whoever attaches itself to the near end. It is not among {@link links}. */
  connect({ peerId }: TestService, config: LinksConfig = {}): Links {
    const opened = createLinks(config);
    this.#hosts.get(peerId)!.onSession!(opened.far, 'a client');
    return opened;
  }

  /** Lets `serve` speak for a peer that has no service: it gets the far end of each session. */
  handle(peerId: string, serve: (far: LinkEnd) => void): void {
    this.#hosts.set(peerId, { onStream: () => undefined, onSession: (far) => serve(far as LinkEnd) });
  }

  #network(peerId: string): Network {
    return {
      peerId,
      openSession: (to, request) => this.#open(peerId, to, request),
      open: (to, { requestId }) => {
        // What breaks before a request is on it may be tried over a stream; there are none here.
        const data = {
          requestId,
          peerId: to,
          stage: 'dialing',
          outcome: 'not sent',
          reason: 'no streams',
        } as const;
        return Promise.reject(new RpcError('CONNECTION_CLOSED', data));
      },
      serve: (hosts) => Promise.resolve(void this.#hosts.set(peerId, hosts)),
      unserve: () => Promise.resolve(void this.#hosts.delete(peerId)),
      handle: () => Promise.resolve(),
      unhandle: () => Promise.resolve(),
      flush: () => Promise.resolve(),
      log: (message, error, fields) => {
        this.notes.push(`${message} - ${String(error)}`);
        this.lines.push({ by: peerId, text: message, fields });
      },
      isTraced: this.#config.isTraced === true,
      trace: (text, fields) => void this.lines.push({ by: peerId, text, fields }),
    };
  }

  async #open(from: string, to: string, { requestId, signal }: RequestRef): Promise<SessionLink> {
    const { dialMs, links, pace, onOpen } = this.#config;
    const ms = dialMs === undefined ? 0 : dialMs();
    if (ms !== 0)
      await orAbort(
        new Promise<void>((resolve) => this.clock.setTimeout(() => resolve(), ms ?? 100)),
        signal,
      );
    const host = this.#hosts.get(to)?.onSession;
    if (ms === undefined || host === undefined)
      throw new RpcError('DIAL_FAILED', { requestId, peerId: to, reason: 'nobody is there' });
    const timed = pace === undefined ? {} : { onWork: timing(this.clock, pace()) };
    const opened = createLinks({ ...links?.(), ...timed });
    this.links.push(opened);
    onOpen?.(opened);
    host(opened.far, from);
    return opened.near;
  }
}

/** Fails unless every request has ended, has told so exactly once, and nothing of any is left. */
export function expectNothingLeft({ services, links }: World): void {
  for (const { rpc, ledger } of services) {
    expect(ledger.wrongEnds).toEqual([]);
    const left = { pending: rpc.pendingRequests(), inbound: rpc.activeInbound, timers: ledger.timers.size };
    expect(left).toEqual({ pending: [], inbound: 0, timers: 0 });
  }
  for (const { near, far } of links) {
    expect([near.thrown, far.thrown]).toEqual([[], []]);
    if (near.closedBy === undefined || far.closedBy === undefined)
      expect([near.queuedBytes, far.queuedBytes, near.isPaused, far.isPaused]).toEqual([0, 0, false, false]);
  }
}

/** Ends turns at once, and delivers bytes when they have passed the way. */
function timing(clock: VirtualClock, { delayMs, bytesPerSecond }: Pace): (end: LinkEnd) => void {
  const ways = new Map<LinkEnd, Way>();
  return (end) => {
    let way = ways.get(end);
    if (way === undefined) ways.set(end, (way = new Way(clock, end)));
    way.work(delayMs, bytesPerSecond);
  };
}

/** One direction of a session. */
class Way {
  readonly #clock: VirtualClock;
  readonly #end: LinkEnd;
  #sentBytes = 0;
  #arrivedBytes = 0;
  #lineFreeAtMs = 0;
  #arrivesAtMs = 0;
  #isTurnDue = false;

  constructor(clock: VirtualClock, end: LinkEnd) {
    this.#clock = clock;
    this.#end = end;
  }

  work(delayMs: () => number, bytesPerSecond: number): void {
    const [end, clock] = [this.#end, this.#clock];
    if (end.hasDeferred && !this.#isTurnDue) {
      this.#isTurnDue = true;
      clock.at(clock.elapsed(), () => {
        this.#isTurnDue = false;
        end.turn();
      });
    }
    do {
      const size = Math.max(0, Math.min(segmentBytes, end.handedOverBytes - this.#sentBytes));
      this.#sentBytes += size;
      this.#lineFreeAtMs = Math.max(this.#lineFreeAtMs, clock.elapsed()) + (size / bytesPerSecond) * 1_000;
      this.#arrivesAtMs = Math.max(this.#arrivesAtMs, this.#lineFreeAtMs + delayMs());
      clock.at(this.#arrivesAtMs, () => {
        this.#arrivedBytes += size;
        end.deliver(this.#arrivedBytes - end.deliveredBytes);
      });
    } while (this.#sentBytes < end.handedOverBytes);
  }
}
