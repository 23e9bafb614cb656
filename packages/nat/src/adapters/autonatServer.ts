import type { Connection, Stream } from '@libp2p/interface';
import { type Clock, type Random, withinTime, withSignal } from '@lloom/core';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import type { LengthPrefixedStream } from '@libp2p/utils';
import { Admission, networkOfIp } from '../internal/admission.ts';
import {
  decodeMessage,
  dialBackProtocol,
  dialDataBytes,
  dialRequestProtocol,
  dialStatus,
  encodeDialBack,
  encodeMessage,
  isDialBackTaken,
  responseStatus,
  type AutonatMessage,
  type DialResponse,
} from '../internal/autonatMessages.ts';
import type { Endpoint, ReachabilityServerConfig, SeenIp } from '../internal/reachabilityNetwork.ts';
import type { NatComponents } from '../ports.ts';
import { errorOf, finish, framesOf, streamLimits } from './autonatStreams.ts';
import { endpointOf, isDirect, seenIpOf } from './endpoints.ts';

/**
 * How long each step may take, in ms; together less than the client waits. Whoever has not answered a dial after 3 s drops
 * what comes: by then the system has sent the first packet twice.
 */
const limitsMs = { request: 5_000, dialData: 12_000, dial: 3_000, dialBack: 5_000, close: 1_000 } as const;
/** Pieces of dial data that are read: each carries something. */
const maxPieces = 4_096;
/** What a dial fails with that never left this machine: it has no way there. */
const localFailures: readonly unknown[] = ['ENETUNREACH', 'EAFNOSUPPORT', 'EADDRNOTAVAIL', 'ENETDOWN'];
/** What a dial fails with that this node itself has forbidden. */
const ownRefusals: readonly unknown[] = ['ConnectionInterceptedError', 'ConnectionDeniedError'];

type ServerComponents = Pick<NatComponents, 'connectionGater' | 'registrar' | 'transportManager'>;

/** An address of a request that may be dialled. */
interface Target {
  readonly index: number;
  readonly address: Multiaddr;
  readonly endpoint: Endpoint;
}

/** Dials those who ask for it: the server of AutoNAT v2. */
export class AutonatServer {
  readonly #components: ServerComponents;
  readonly #ports: { readonly clock: Clock; readonly random: Random };
  readonly #admission = new Admission();
  #config: ReachabilityServerConfig | undefined;
  #stopping = new AbortController();

  constructor(components: ServerComponents, ports: { readonly clock: Clock; readonly random: Random }) {
    this.#components = components;
    this.#ports = ports;
  }

  /** Answers from now on in another way; `undefined` for not at all. */
  async configure(config: ReachabilityServerConfig | undefined): Promise<void> {
    const { registrar } = this.#components;
    const isServing = this.#config !== undefined;
    if (config === undefined && isServing) {
      this.#config = undefined;
      this.#stopping.abort(new Error('nobody is answered any more'));
      await registrar.unhandle(dialRequestProtocol);
    } else if (config !== undefined && !isServing) {
      this.#stopping = new AbortController();
      const handler = (stream: Stream, connection: Connection): Promise<void> =>
        this.#onRequest(stream, connection);
      await registrar.handle(dialRequestProtocol, handler, streamLimits);
    }
    this.#config = config;
  }

  async #onRequest(stream: Stream, connection: Connection): Promise<void> {
    const frames = framesOf(stream);
    const { signal } = this.#stopping;
    const config = this.#config;
    const asker = isDirect(connection) ? seenIpOf(connection.remoteAddr) : undefined;
    const leave = config && asker && this.#enter(connection, asker, config);
    try {
      const visit = { connection, frames, signal };
      const response =
        leave === undefined || config === undefined || asker === undefined
          ? refusal(responseStatus.rejected)
          : await this.#serve(visit, asker, config);
      leave?.();
      await frames.write(encodeMessage(response), { signal });
      const limit = { clock: this.#ports.clock, ms: limitsMs.close, signal };
      await withSignal(limit, (within) => finish(stream, within));
    } catch (error) {
      stream.abort(errorOf(error));
    } finally {
      leave?.();
    }
  }

  #enter(
    { remotePeer }: Connection,
    { ip, scope }: SeenIp,
    { throttleIntervalMs }: ReachabilityServerConfig,
  ) {
    const network = scope === 'loopback' ? undefined : networkOfIp(ip);
    const visitor = { peerId: remotePeer.toString(), network };
    return this.#admission.enter(visitor, this.#ports.clock.elapsed(), throttleIntervalMs);
  }

  async #serve(
    { connection, frames, signal }: Visit,
    asker: SeenIp,
    config: ReachabilityServerConfig,
  ): Promise<DialResponse> {
    const request = await this.#within(limitsMs.request, signal, async (within) =>
      decodeMessage((await frames.read({ signal: within })).subarray()),
    );
    if (request.kind !== 'dialRequest') throw new Error(`the peer said ${request.kind}`);
    const target = await this.#firstTarget(request, { connection, asker, config });
    if (target === undefined) return refusal(responseStatus.refused);
    // Somebody else may be there.
    if (target.endpoint.ip !== asker.ip) {
      await this.#within(limitsMs.dialData, signal, (within) => this.#takeDialData(frames, target, within));
    }
    return this.#dialBack(target, { nonce: request.nonce, peerId: connection.remotePeer.toString(), signal });
  }

  /** The first address that can and may be dialled. Names are not: whoever owns one decides where it leads. */
  async #firstTarget(
    { addresses }: Extract<AutonatMessage, { readonly kind: 'dialRequest' }>,
    visitor: Visitor,
  ): Promise<Target | undefined> {
    for (const [index, bytes] of addresses.entries()) {
      const target = targetOf(bytes, index, visitor);
      // One after the other: most often the first is taken.
      if (target !== undefined && (await this.#mayDial(target.address))) return target;
    }
    return undefined;
  }

  async #mayDial(address: Multiaddr): Promise<boolean> {
    const { connectionGater, transportManager } = this.#components;
    if (transportManager.dialTransportForMultiaddr(address) === undefined) return false;
    return (await connectionGater.denyDialMultiaddr?.(address)) !== true;
  }

  async #takeDialData(frames: LengthPrefixedStream, { index }: Target, signal: AbortSignal): Promise<void> {
    const { least, most } = dialDataBytes;
    const byteCount = least + Math.floor(this.#ports.random.float() * (most - least));
    await frames.write(encodeMessage({ kind: 'dialDataRequest', index, byteCount }), { signal });
    let received = 0;
    for (let pieces = 0; received < byteCount; pieces++) {
      // Each piece is to be there before the next.
      const message = decodeMessage((await frames.read({ signal })).subarray());
      if (message.kind !== 'dialDataResponse' || pieces >= maxPieces)
        throw new Error('the peer does not send what was asked for');
      received += message.byteCount;
    }
  }

  /** Dials on a connection of its own, and closes that one alone. */
  async #dialBack(
    { index, address }: Target,
    {
      nonce,
      peerId,
      signal,
    }: { readonly nonce: bigint; readonly peerId: string; readonly signal: AbortSignal },
  ): Promise<DialResponse> {
    const told = (status: number): DialResponse => ({
      kind: 'dialResponse',
      status: responseStatus.ok,
      index,
      dialStatus: status,
    });
    const { transportManager } = this.#components;
    let hasConnected = false;
    const onProgress = ({ type }: { readonly type: string }): void => {
      hasConnected ||= type === 'upgrader:encrypt-outbound-connection';
    };
    let connection: Connection;
    try {
      // Not through the connection manager: it would join another dial to the peer.
      const named = address.encapsulate(`/p2p/${peerId}`);
      connection = await this.#within(limitsMs.dial, signal, (within) =>
        transportManager.dial(named, { signal: within, onProgress }),
      );
    } catch (error) {
      signal.throwIfAborted();
      if (ownRefusals.includes(errorOf(error).name)) return refusal(responseStatus.rejected);
      if (localFailures.includes((error as { readonly code?: unknown }).code))
        return refusal(responseStatus.refused);
      return told(hasConnected && !isOtherPeer(error) ? dialStatus.dialBackError : dialStatus.dialError);
    }
    try {
      await this.#within(limitsMs.dialBack, signal, (within) => deliver(connection, nonce, within));
      return told(dialStatus.ok);
    } catch {
      return told(dialStatus.dialBackError);
    } finally {
      void close(connection);
    }
  }

  #within<T>(ms: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withinTime({ clock: this.#ports.clock, ms, signal }, work);
  }
}

/** One request. */
interface Visit {
  readonly connection: Connection;
  readonly frames: LengthPrefixedStream;
  readonly signal: AbortSignal;
}

/** Who asks, and what for may be. */
interface Visitor {
  readonly connection: Connection;
  readonly asker: SeenIp;
  readonly config: ReachabilityServerConfig;
}

function targetOf(
  bytes: Uint8Array,
  index: number,
  { asker, config, connection }: Visitor,
): Target | undefined {
  try {
    const given = multiaddr(bytes);
    const named = given.getComponents().find(({ name }) => name === 'p2p')?.value;
    const endpoint = endpointOf(given);
    if (endpoint === undefined || (named !== undefined && named !== connection.remotePeer.toString()))
      return undefined;
    const { scope } = endpoint;
    // A loopback address leads to this machine: only who is on it can mean it.
    const isAdmitted = scope === 'global' || (!config.onlyGlobalIps && scope !== 'loopback');
    const isOwn = !config.onlyGlobalIps && scope === 'loopback' && asker.scope === 'loopback';
    if (!isAdmitted && !isOwn) return undefined;
    return { index, endpoint, address: multiaddr(endpoint.address) };
  } catch {
    return undefined;
  }
}

/** Says the nonce, and waits until the other side has heard: then the connection may be closed. */
async function deliver(connection: Connection, nonce: bigint, signal: AbortSignal): Promise<void> {
  const { maxOutboundStreams } = streamLimits;
  const stream = await connection.newStream(dialBackProtocol, { signal, maxOutboundStreams });
  const frames = framesOf(stream);
  try {
    await frames.write(encodeDialBack(nonce), { signal });
    if (!isDialBackTaken((await frames.read({ signal })).subarray())) throw new Error('it was not taken');
  } catch (error) {
    stream.abort(errorOf(error));
    throw error;
  }
}

async function close(connection: Connection): Promise<void> {
  try {
    await connection.close({ signal: AbortSignal.timeout(limitsMs.close) });
  } catch (error) {
    connection.abort(errorOf(error));
  }
}

/** Whether somebody else answered: the handshake says so in words only. */
function isOtherPeer(error: unknown): boolean {
  const { name, message } = errorOf(error);
  return name === 'UnexpectedPeerError' || /does not match expected remote identity/.test(message);
}

const refusal = (status: number): DialResponse => ({
  kind: 'dialResponse',
  status,
  index: 0,
  dialStatus: dialStatus.unused,
});
