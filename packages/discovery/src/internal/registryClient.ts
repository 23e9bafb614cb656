import type { PeerId } from '@libp2p/interface';
import { CodecError, decodeRegistryResult, limits } from '@lloom/codec';
import type {
  ExecutorService,
  RegistryExecutor,
  RegistryQuery,
  RegistryResult,
  ServiceDescriptor,
  SignedMessage,
} from '@lloom/codec';
import { explainError, orAbort, toPeerId, type Verifier } from '@lloom/core';
import { DiscoveryError } from '../errors.ts';
import type { RegisteredExecutor, RegistryAnswer, Rejection, WaitConfig } from '../types.ts';
import { interruption, startDeadline } from './deadline.ts';
import type { Finder } from './finder.ts';
import { Gate } from './gate.ts';
import { prove } from './proof.ts';
import { toFoundPeer } from './providers.ts';
import { mismatchOf, overpriced } from './registryFilters.ts';
import { encodeQuestion } from './registryQuery.ts';
import type { Shared } from './shared.ts';

const act = 'queryRegistry';
const defaultLimit = 50;
/** Descriptors that are proven at the same time. */
const concurrency = 8;

/** What asking registries takes beside what is shared. */
export interface RegistryClientPorts extends Shared {
  readonly finder: Pick<Finder, 'take' | 'known'>;
  /** Fires when the service stops; `undefined` while it is not started. */
  readonly stop: () => AbortSignal | undefined;
}

type Descriptor = SignedMessage<ServiceDescriptor>;

interface Question {
  readonly peerId: string;
  readonly query: RegistryQuery;
  readonly verifier: Verifier;
}

interface Proven {
  readonly executors: readonly RegisteredExecutor[];
  readonly refused: readonly Rejection[];
}

/** Which answer belongs to which question. */
const answers: Readonly<Record<RegistryQuery['type'], RegistryResult['type']>> = {
  listAllModels: 'modelList',
  findModel: 'executorList',
  executorInfo: 'executorDetails',
  searchByCapabilities: 'executorList',
  getStatistics: 'statistics',
};

/** Asks registries of validators, and proves what they show of executors. */
export class RegistryClient {
  readonly #ports: RegistryClientPorts;

  constructor(ports: RegistryClientPorts) {
    this.#ports = ports;
  }

  /**
   * What a registry knows.
   * @throws {DiscoveryError} `REGISTRY_UNREACHABLE`, `REGISTRY_REFUSED`, `INVALID_QUERY`, `MISSING_VERIFIER`, `STOPPED`,
   * `CANCELLED`
   * @throws {AddressError} `INVALID_PEER_ID`
   */
  async query(
    peer: PeerId | string,
    query: RegistryQuery,
    { signal }: WaitConfig = {},
  ): Promise<RegistryAnswer> {
    const frame = encodeQuestion(query);
    const peerId = toPeerId(peer).toString();
    const { verifier } = this.#ports;
    if (verifier === undefined) throw new DiscoveryError('MISSING_VERIFIER', { act });
    const by = { stop: this.#ports.stop(), signal };
    const early = interruption(act, by);
    if (early !== undefined) throw early;
    // The caller may change what it asked for before the answer comes.
    const question = { peerId, query: structuredClone(query), verifier };
    const abort = new AbortController();
    const end = (): void => abort.abort(new Error('it was given up'));
    for (const given of [by.stop, signal]) given?.addEventListener('abort', end, { once: true });
    try {
      const result = this.#open(question, await this.#ask(peerId, frame, abort.signal));
      return await orAbort(this.#prove(question, result, abort.signal), abort.signal);
    } catch (error) {
      const interrupted = interruption(act, by);
      // Neither the registry nor the network is to blame then.
      const isOurs = interrupted === undefined && !DiscoveryError.is(error);
      if (isOurs) this.#ports.network.logError('could not read the answer of a registry', error);
      throw interrupted ?? error;
    } finally {
      for (const given of [by.stop, signal]) given?.removeEventListener('abort', end);
      // Descriptors that wait for their turn are not proven any more.
      abort.abort();
    }
  }

  async #ask(peerId: string, frame: Uint8Array, given: AbortSignal): Promise<Uint8Array> {
    const { clock, config, dialer, finder, network } = this.#ports;
    const known = finder.known.get(peerId);
    const addresses = known === undefined ? [] : toFoundPeer(known).addresses;
    const { descriptorTimeoutMs: timeoutMs } = config;
    const deadline = startDeadline(clock, timeoutMs, [given]);
    const { signal } = deadline;
    try {
      const exchange = async (): Promise<Uint8Array> => {
        await dialer.dial(peerId, addresses, { signal, toldBy: 'peers' });
        return network.ask(peerId, { exchange: 'registry', frame, signal });
      };
      return await orAbort(exchange(), signal);
    } catch (cause) {
      const reason = deadline.expired ? `no answer within ${timeoutMs} ms` : explainError(cause);
      throw new DiscoveryError('REGISTRY_UNREACHABLE', { peerId, reason }, { cause });
    } finally {
      deadline.clear();
    }
  }

  /**
   * The result in a frame, as far as it can be one of the question.
   * @throws {DiscoveryError} `REGISTRY_REFUSED`
   */
  #open({ peerId, query }: Question, frame: Uint8Array): RegistryResult {
    let result: RegistryResult;
    try {
      result = decodeRegistryResult(frame);
    } catch (error) {
      // Only what the codec refuses is the peer's fault.
      if (CodecError.is(error)) throw refusedAs(peerId, error.code, error);
      throw error;
    }
    if (result.type === 'error') return result;
    if (result.type !== answers[query.type]) throw refusedAs(peerId, 'WRONG_RESULT');
    const limit = 'limit' in query ? (query.limit ?? defaultLimit) : defaultLimit;
    if (entriesOf(result) > Math.min(limit, limits.registryEntries)) throw refusedAs(peerId, 'TOO_MANY');
    return result;
  }

  async #prove(question: Question, result: RegistryResult, signal: AbortSignal): Promise<RegistryAnswer> {
    switch (result.type) {
      case 'executorList': {
        const proven = await this.#proveAll(question, result.executors, signal);
        return { type: 'executorList', ...proven, totalCount: result.totalCount };
      }
      case 'executorDetails': {
        const shown = result.executor === undefined ? [] : [result.executor];
        const { executors, refused } = await this.#proveAll(question, shown, signal);
        return { type: 'executorDetails', executor: executors[0], refused };
      }
      case 'modelList':
      case 'statistics':
        return result;
      case 'error':
        if (result.code === 'RATE_LIMITED') throw askedTooOften(question.peerId);
        throw refusedAs(question.peerId, remoteReason(result.code));
    }
  }

  async #proveAll(
    question: Question,
    shown: readonly RegistryExecutor[],
    signal: AbortSignal,
  ): Promise<Proven> {
    const gate = new Gate(concurrency);
    const seen = new Set<string>();
    const proofs = shown.map(async (entry) => {
      const { peerId } = entry.descriptor.payload;
      const isSecond = seen.has(peerId);
      seen.add(peerId);
      const proof = isSecond
        ? { refused: 'DUPLICATE' }
        : await gate.run(() => this.#proveOne(question, entry.descriptor, signal));
      return { entry, proof };
    });
    const executors: RegisteredExecutor[] = [];
    const refused: Rejection[] = [];
    for (const { entry, proof } of await Promise.all(proofs)) {
      if ('refused' in proof)
        refused.push({ peerId: entry.descriptor.payload.peerId, reason: proof.refused });
      else executors.push(toRegistered(proof.message, entry));
    }
    return { executors, refused };
  }

  async #proveOne(
    question: Question,
    descriptor: Descriptor,
    signal: AbortSignal,
  ): Promise<{ readonly message: Descriptor } | { readonly refused: string }> {
    if (signal.aborted) return { refused: 'CANCELLED' };
    const { query, verifier } = question;
    const { peerId } = descriptor.payload;
    // Nobody else's word is worth remembering then.
    if (query.type === 'executorInfo' && query.peerId !== peerId) return { refused: 'WRONG_PEER' };
    const taken = await this.#take(peerId, descriptor, verifier);
    if ('refused' in taken) return taken;
    const reason = whyNot(taken.message.payload, query);
    return reason === undefined ? taken : { refused: reason };
  }

  async #take(
    peerId: string,
    descriptor: Descriptor,
    verifier: Verifier,
  ): Promise<{ readonly message: Descriptor } | { readonly refused: string }> {
    const { finder, network } = this.#ports;
    if (peerId === network.peerId) {
      // This node is no provider for itself.
      try {
        return { message: await prove(verifier, peerId, descriptor) };
      } catch (error) {
        if (DiscoveryError.is(error, 'DESCRIPTOR_REFUSED')) return { refused: error.data.reason };
        throw error;
      }
    }
    const taken = await finder.take(descriptor);
    // Where this node knows better, what it knows is the answer.
    const newer = 'refused' in taken && taken.refused === 'STALE' ? finder.known.get(peerId) : undefined;
    return newer === undefined ? taken : { message: newer.message };
  }
}

function entriesOf(result: RegistryResult): number {
  if (result.type === 'modelList') return result.models.length;
  return result.type === 'executorList' ? result.executors.length : 0;
}

/** Why an executor is not what was asked for, by what it signed; `undefined` when it is. */
function whyNot({ services }: ServiceDescriptor, query: RegistryQuery): string | undefined {
  const offer = services.find((service): service is ExecutorService => service.kind === 'executor');
  if (offer === undefined) return 'NOT_OFFERED';
  if (query.type !== 'findModel' && query.type !== 'searchByCapabilities') return undefined;
  if (query.type === 'findModel' && !offer.models.includes(query.model)) return 'NOT_OFFERED';
  const mismatch = mismatchOf(offer, query.filters);
  const maxPrice = query.filters?.maxPrice;
  if (mismatch !== undefined || maxPrice === undefined) return mismatch;
  const models = query.type === 'findModel' ? [query.model] : offer.models;
  return overpriced(offer, models, maxPrice);
}

function toRegistered({ payload, timestampMs }: Descriptor, entry: RegistryExecutor): RegisteredExecutor {
  const { isConnected, lastSeenAt, successRate } = entry;
  const word = { isConnected, lastSeenAt, ...(successRate !== undefined && { successRate }) };
  return { descriptor: payload, signedAt: timestampMs, ...word };
}

/** The code of a remote error when it looks like one: it is the remote's text. */
function remoteReason(code: string): string {
  return /^[A-Z][A-Z_]{0,63}$/.test(code) ? code : 'REMOTE';
}

function refusedAs(peerId: string, reason: string, cause?: unknown): DiscoveryError {
  return new DiscoveryError('REGISTRY_REFUSED', { peerId, reason }, { cause });
}

function askedTooOften(peerId: string): DiscoveryError {
  return new DiscoveryError('REGISTRY_UNREACHABLE', {
    peerId,
    reason: 'it is asked too often; wait a second',
  });
}
