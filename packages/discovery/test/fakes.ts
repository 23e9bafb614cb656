import { createHash } from 'node:crypto';
import {
  decodeDescriptorFrame,
  encodeDescriptorFrame,
  encodeDescriptorRequest,
  encodePayload,
  openEnvelope,
  type ServiceDescriptor,
  type ServiceType,
} from '@lloom/codec';
import { LloomError, zeroAddress, zeroDigest } from '@lloom/core';
import type { Clock, EnvelopeDraft, EvmAddress, Hex, SignedEnvelope, Signer, Verifier } from '@lloom/core';
import { base58btc } from 'multiformats/bases/base58';
import { openStore } from '../src/adapters/store.ts';
import { resolveDiscoveryConfig, type DiscoveryConfig } from '../src/config.ts';
import { DiscoveryService } from '../src/discovery.ts';
import { DiscoveryError } from '../src/errors.ts';
import type {
  DiscoveryPorts,
  Exchange,
  ExchangeHandler,
  ExchangeRequest,
  LocalWatcher,
  Network,
  Relocation,
  Watcher,
} from '../src/ports.ts';
import type { FoundPeer } from '../src/types.ts';
import { settled } from './machines.ts';

/** Peer ids that exist nowhere. */
export const peerIds = {
  alice: '12D3KooWCp1tCweCvJ2TUMUEN2wPZSe7JPo4aCny9bERmEoZgoBk',
  bob: '12D3KooWDimFt5AwAPTSFDiUFcKtN9Ucee9KsXgYVE9EG5fccpXa',
  carol: '12D3KooWQWVtjNTayeWSFUvF9BvuLHTAYxi5xK2LFbFYCYxYWAq1',
  dave: '12D3KooWKNp7owBSTDYHfcEztRzKwXvKpefeuaTAX9uJ4ZprGXVx',
};

/** One of many more: with a key that nobody has. */
export function peerIdOf(index: number): string {
  const bytes = new Uint8Array(38).fill(7);
  bytes.set([0x00, 0x24, 0x08, 0x01, 0x12, 0x20, index >> 8, index & 255]);
  return base58btc.baseEncode(bytes);
}

export const executor = (
  models: readonly string[] = ['demo-small'],
  more: Partial<ServiceType> = {},
): ServiceType => ({ kind: 'executor', models, capacity: 4, ...more }) as ServiceType;

export const validator: ServiceType = { kind: 'validator', stake: '1000000000000000000' };

/** Time that moves when a test says so, for services and machines. Counts what still waits. */
export class FakeClock implements Clock {
  #now = 1_700_000_000_000;
  #aheadMs = 0;
  #nextId = 1;
  readonly #timers = new Map<number, { readonly at: number; readonly fn: () => void }>();

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now + this.#aheadMs;
  }

  /** Sets the wall clock this much ahead, or back. */
  set(aheadMs: number): void {
    this.#aheadMs = aheadMs;
  }

  elapsed(): number {
    return this.#now;
  }

  setTimeout(fn: () => void, ms: number): unknown {
    this.#timers.set(this.#nextId, { at: this.#now + ms, fn });
    return this.#nextId++;
  }

  clearTimeout(id: unknown): void {
    this.#timers.delete(id as number);
  }

  /** Moves on, timer by timer; whatever a timer sets off goes on before the next one. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const [next] = [...this.#timers].toSorted(([, a], [, b]) => a.at - b.at);
      if (next === undefined || next[1].at > end) break;
      this.#timers.delete(next[0]);
      this.#now = next[1].at;
      next[1].fn();
    }
    this.#now = end;
    await settled();
  }
}

const hash = (...parts: readonly (string | Uint8Array)[]): string => {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part).update('|');
  return sum.digest('hex');
};

/** The address that goes with a peer id. */
export const addressOf = (peerId: string): EvmAddress => `0x${hash(peerId).slice(0, 40)}`;

const signatureOf = (envelope: Omit<SignedEnvelope, 'signature'>): Hex => {
  const { payloadBytes, signer, timestampMs, expiresMs } = envelope;
  return `0x${hash('signature', payloadBytes, signer, `${timestampMs}`, `${expiresMs}`).repeat(3).slice(0, 130)}`;
};

/** Signs without cryptography. Counts how often. */
export class FakeSigner implements Signer {
  readonly address: EvmAddress;
  signed = 0;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(peerId: string, clock: Pick<Clock, 'now'> = Date) {
    this.address = addressOf(peerId);
    this.#clock = clock;
  }

  sign({ payloadType, payloadBytes, ttlMs = 90_000 }: EnvelopeDraft): Promise<SignedEnvelope> {
    this.signed++;
    const timestampMs = this.#clock.now();
    const unsigned = {
      payloadType,
      payloadBytes,
      signer: this.address,
      to: zeroAddress,
      inReplyTo: zeroDigest,
      timestampMs,
      expiresMs: timestampMs + ttlMs,
      nonce: zeroDigest,
    };
    return Promise.resolve({ ...unsigned, signature: signatureOf(unsigned) });
  }
}

class FakeRefusal extends LloomError {
  constructor(code: string) {
    super('FakeRefusal', { message: () => code, retryable: false, hint: 'None.' }, { code, data: {} });
  }
}

/** Believes what a {@link FakeSigner} signed. */
export const createVerifier = (clock: Pick<Clock, 'now'> = Date): Verifier => ({
  verify(envelope, { payloadType, signer }) {
    const refuse = (code: string): Promise<never> => Promise.reject(new FakeRefusal(code));
    if (envelope.signature !== signatureOf(envelope)) return refuse('BAD_SIGNATURE');
    if (payloadType !== undefined && envelope.payloadType !== payloadType) return refuse('WRONG_TYPE');
    if (signer !== undefined && envelope.signer !== signer) return refuse('WRONG_SIGNER');
    if (envelope.expiresMs <= clock.now()) return refuse('EXPIRED');
    return Promise.resolve({ signer: envelope.signer });
  },
  digest: (bytes) => `0x${hash(bytes)}`,
  startDigest: () => {
    throw new Error('not needed here');
  },
  addressOf,
});

/** A frame as a peer would send it, with whatever a test wants to be wrong. */
export async function descriptorFrame(
  peerId: string,
  services: readonly ServiceType[],
  wrong: {
    readonly descriptor?: Partial<ServiceDescriptor>;
    readonly signer?: Signer;
    readonly envelope?: Partial<SignedEnvelope>;
    readonly ttlMs?: number;
    readonly clock?: Pick<Clock, 'now'>;
  } = {},
): Promise<Uint8Array> {
  const descriptor = { peerId, sequence: 1, services, addresses: [], ...wrong.descriptor };
  const payloadBytes = encodePayload('ServiceDescriptor', descriptor);
  const signer = wrong.signer ?? new FakeSigner(peerId, wrong.clock);
  const draft = { payloadType: 'ServiceDescriptor', payloadBytes, ttlMs: wrong.ttlMs ?? 90_000 };
  const envelope = { ...(await signer.sign(draft)), ...wrong.envelope };
  return encodeDescriptorFrame(openEnvelope('ServiceDescriptor', envelope));
}

/** What a frame says, unproven. */
export const readFrame = (frame: Uint8Array): ServiceDescriptor | undefined =>
  decodeDescriptorFrame(frame)?.payload;

/** Never ends, unless the signal ends it. */
export const never = <T>(signal: AbortSignal): Promise<T> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
  });

/** What the DHT names when it names nobody. */
export const nobody = (): AsyncIterable<FoundPeer> => ({
  [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }),
});

/** A network whose every answer a test can replace. */
export class FakeNetwork implements Network {
  readonly peerId: string;
  readonly agentVersion = 'fake/1.0.0';
  listening: readonly string[] = ['/ip4/127.0.0.1/tcp/4001'];
  readonly connected = new Set<string>();
  readonly remembered: string[] = [];
  readonly relocated: (Relocation & { readonly peerId: string })[] = [];
  onRelocate: (peerId: string) => Promise<void> = () => Promise.resolve();
  readonly provided = new Set<string>();
  readonly errors: unknown[] = [];
  readonly asked: string[] = [];
  readonly handlers = new Map<Exchange, ExchangeHandler>();
  /** Connected peers that want to be told, and what they were told. */
  readonly audience: string[] = [];
  readonly told: { readonly peerId: string; readonly frame: Uint8Array }[] = [];
  watcher: Watcher | undefined;
  localWatcher: LocalWatcher | undefined;
  /** How many peers take a record. */
  taken = 1;
  onProvide: (key: string, signal: AbortSignal) => Promise<number> = () => Promise.resolve(this.taken);
  onFind: (key: string, signal: AbortSignal) => AsyncIterable<FoundPeer> = () => nobody();
  onFindSelf: (signal: AbortSignal) => Promise<number> = () => Promise.resolve(3);
  onAsk: (peerId: string, signal: AbortSignal) => Promise<Uint8Array> = () =>
    Promise.reject(new Error('nobody'));
  /** Resolves when an announcement is on its way to a peer. */
  onSend: (peerId: string, signal: AbortSignal) => Promise<void> = () => Promise.resolve();
  /** What a peer answers on any other exchange. */
  onAskExchange: (peerId: string, frame: Uint8Array, signal: AbortSignal) => Promise<Uint8Array> = () =>
    Promise.resolve(new Uint8Array());
  onIsMember: (peerId: string) => Promise<boolean> = () => Promise.resolve(true);
  onDial: (peerId: string, signal: AbortSignal) => Promise<void> = () => Promise.resolve();
  onRetire: (key: string) => Promise<void> = () => Promise.resolve();

  constructor(peerId: string) {
    this.peerId = peerId;
  }

  addresses(): readonly string[] {
    return this.listening;
  }

  isConnected(peerId: string): boolean {
    return this.connected.has(peerId);
  }

  connectedPeers(): ReadonlySet<string> {
    return new Set(this.connected);
  }

  remember(_: string, addresses: readonly string[]): Promise<void> {
    this.remembered.push(...addresses);
    return Promise.resolve();
  }

  relocate(peerId: string, relocation: Relocation): Promise<void> {
    this.relocated.push({ peerId, ...relocation });
    return this.onRelocate(peerId);
  }

  async dial(
    peerId: string,
    _: readonly string[],
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    await this.onDial(peerId, signal);
    this.connected.add(peerId);
  }

  async provide(key: string, { signal }: { readonly signal: AbortSignal }): Promise<number> {
    const taken = await this.onProvide(key, signal);
    this.provided.add(key);
    return taken;
  }

  async retire(key: string): Promise<void> {
    await this.onRetire(key);
    this.provided.delete(key);
  }

  find(key: string, { signal }: { readonly signal: AbortSignal }): AsyncIterable<FoundPeer> {
    return this.onFind(key, signal);
  }

  findSelf({ signal }: { readonly signal: AbortSignal }): Promise<number> {
    return this.onFindSelf(signal);
  }

  /** Answers whoever asks for the own descriptor; `undefined` when nobody answers. */
  get serving(): (() => Promise<Uint8Array>) | undefined {
    const handler = this.handlers.get('descriptor');
    return handler && (() => handler(peerIds.dave, encodeDescriptorRequest()));
  }

  ask(peerId: string, request: ExchangeRequest): Promise<Uint8Array> {
    const { exchange, frame, signal } = request;
    if (exchange === 'descriptor') {
      this.asked.push(peerId);
      return this.onAsk(peerId, signal);
    }
    if (exchange === 'announce') return this.#tell(peerId, request);
    return this.onAskExchange(peerId, frame, signal);
  }

  async #tell(peerId: string, { frame, signal, onSent }: ExchangeRequest): Promise<Uint8Array> {
    this.told.push({ peerId, frame });
    await this.onSend(peerId, signal);
    onSent?.();
    return this.onAskExchange(peerId, frame, signal);
  }

  listeners(): Promise<readonly string[]> {
    return Promise.resolve(this.audience);
  }

  isMember(peerId: string): Promise<boolean> {
    return this.onIsMember(peerId);
  }

  watchLocal(watcher: LocalWatcher): Promise<() => Promise<void>> {
    this.localWatcher = watcher;
    return Promise.resolve(() => {
      this.localWatcher = undefined;
      return Promise.resolve();
    });
  }

  serve(exchange: Exchange, answer: ExchangeHandler): Promise<void> {
    if (this.handlers.has(exchange)) return Promise.reject(new Error('somebody serves already'));
    this.handlers.set(exchange, answer);
    return Promise.resolve();
  }

  unserve(): Promise<void> {
    this.handlers.clear();
    return Promise.resolve();
  }

  watch(watcher: Watcher): () => void {
    this.watcher = watcher;
    return () => (this.watcher = undefined);
  }

  log(): void {}

  logError(_: string, error: unknown): void {
    this.errors.push(error);
  }

  /** Names these peers, one after the other, then ends. */
  names(...ids: readonly string[]): void {
    this.onFind = async function* () {
      for (const peerId of ids) yield { peerId, addresses: ['/ip4/127.0.0.1/tcp/5001'] };
    };
  }

  /** Has no DHT. */
  loseDht(): void {
    const fail = (): never => {
      throw new DiscoveryError('NO_DHT', { key: 'any' });
    };
    this.onProvide = async () => fail();
    this.onFindSelf = async () => fail();
    this.onFind = () => ({ [Symbol.asyncIterator]: () => ({ next: async () => fail() }) });
  }
}

/** A service over a fake network. Started unless a test wants otherwise. */
export async function createService(
  given: DiscoveryConfig &
    DiscoveryPorts & {
      readonly peerId?: string;
      readonly started?: boolean;
    } = {},
) {
  const { peerId = peerIds.alice, started = true, ...config } = given;
  const clock = new FakeClock();
  const network = new FakeNetwork(peerId);
  const signer = new FakeSigner(peerId, clock);
  const random = { bytes: (length: number) => new Uint8Array(length), float: () => 0.5 };
  const verifier = createVerifier(clock);
  const onError = (text: string, error: unknown): void => network.logError(text, error);
  const service = new DiscoveryService(
    resolveDiscoveryConfig({ clock, random, signer, verifier, ...config }),
    network,
    openStore(config.datastore, { clock, onError }),
  );
  if (started) {
    await service.start();
    service.afterStart();
    await settled();
  }
  return { service, network, clock, signer };
}

/** Changes the first letter of a model in a frame, and leaves everything else. */
export function tampered(frame: Uint8Array): Uint8Array {
  const changed = Buffer.from(frame);
  const at = changed.indexOf('demo-small');
  if (at < 0) throw new Error('there is nothing to change');
  changed[at + 5] = 'S'.charCodeAt(0);
  return new Uint8Array(changed);
}
