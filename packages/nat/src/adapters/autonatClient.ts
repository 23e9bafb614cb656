import type { Connection, Stream } from '@libp2p/interface';
import { errorText, toPeerId, type Clock, type Random, withinTime, withSignal } from '@lloom/core';
import { multiaddr } from '@multiformats/multiaddr';
import type { LengthPrefixedStream } from '@libp2p/utils';
import {
  decodeDialBack,
  decodeMessage,
  dialBackProtocol,
  dialBackResponse,
  dialDataBytes,
  dialDataPieceBytes,
  dialRequestProtocol,
  dialStatus,
  encodeMessage,
  responseStatus,
  type AutonatMessage,
  type DialResponse,
} from '../internal/autonatMessages.ts';
import type { ReachabilityAnswer, ReachabilityQuestion } from '../internal/reachabilityNetwork.ts';
import type { NatComponents } from '../ports.ts';
import { errorOf, finish, framesOf, streamLimits } from './autonatStreams.ts';
import { isDirect } from './endpoints.ts';
import { isPunched } from './punched.ts';

/** How long one question may take: as long as servers take at most, in ms. */
const askMs = 30_000;
/** How long a dial-back may take from the stream on, in ms. */
const dialBackMs = 10_000;
/** How long a finished stream may take to close, in ms. */
const closeMs = 1_000;

type ClientComponents = Pick<NatComponents, 'connectionManager' | 'registrar'>;

/** What a question waits for. */
interface Expected {
  /** Connections that were there before: nobody has dialled for them. */
  readonly known: ReadonlySet<string>;
  hasArrived: boolean;
}

/** Asks peers to dial this node, and takes their dials: the client of AutoNAT v2. */
export class AutonatClient {
  readonly #components: ClientComponents;
  readonly #ports: { readonly clock: Clock; readonly random: Random };
  /** Questions under way, by nonce: two at a time. */
  readonly #expected = new Map<bigint, Expected>();
  #isListening = false;
  #stopping = new AbortController();

  constructor(components: ClientComponents, ports: { readonly clock: Clock; readonly random: Random }) {
    this.#components = components;
    this.#ports = ports;
  }

  /** Takes dial-backs from now on. */
  async start(): Promise<void> {
    if (this.#isListening) return;
    this.#stopping = new AbortController();
    const handler = (stream: Stream, connection: Connection): Promise<void> =>
      this.#onDialBack(stream, connection);
    await this.#components.registrar.handle(dialBackProtocol, handler, streamLimits);
    // Not before: the protocol of somebody else must not be taken away.
    this.#isListening = true;
  }

  async stop(): Promise<void> {
    if (!this.#isListening) return;
    this.#isListening = false;
    this.#stopping.abort(new Error('nobody is asked any more'));
    await this.#components.registrar.unhandle(dialBackProtocol);
  }

  /** Has a peer try an address. Never rejects. */
  async ask({ peerId, address, signal }: ReachabilityQuestion): Promise<ReachabilityAnswer> {
    const nonce = this.#ports.random.bytes(8).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
    const connections = this.#components.connectionManager.getConnections();
    const expected: Expected = { known: new Set(connections.map(({ id }) => id)), hasArrived: false };
    this.#expected.set(nonce, expected);
    try {
      const connection = this.#components.connectionManager
        .getConnections(toPeerId(peerId))
        .find((each) => each.status === 'open' && isDirect(each));
      if (connection === undefined) return silent('there is no direct connection');
      const request: AutonatMessage = { kind: 'dialRequest', addresses: [multiaddr(address).bytes], nonce };
      const limit = { clock: this.#ports.clock, ms: askMs, signal };
      const response = await withinTime(limit, (within) => this.#exchange(connection, request, within));
      return verdictOf(response, expected.hasArrived);
    } catch (error) {
      return silent(errorText(error));
    } finally {
      this.#expected.delete(nonce);
    }
  }

  async #exchange(
    connection: Connection,
    request: Extract<AutonatMessage, { readonly kind: 'dialRequest' }>,
    signal: AbortSignal,
  ): Promise<DialResponse> {
    const { maxOutboundStreams } = streamLimits;
    const stream = await connection.newStream(dialRequestProtocol, { signal, maxOutboundStreams });
    if (stream.status !== 'open') throw new Error('the peer ended the stream at once');
    const frames = framesOf(stream);
    try {
      await frames.write(encodeMessage(request), { signal });
      let message = decodeMessage((await frames.read({ signal })).subarray());
      if (message.kind === 'dialDataRequest') {
        await pay(frames, message, signal);
        message = decodeMessage((await frames.read({ signal })).subarray());
      }
      if (message.kind !== 'dialResponse') throw new Error(`the peer said ${message.kind}`);
      void this.#finish(stream);
      return message;
    } catch (error) {
      stream.abort(errorOf(error));
      throw error;
    }
  }

  async #finish(stream: Stream): Promise<void> {
    const limit = { clock: this.#ports.clock, ms: closeMs, signal: this.#stopping.signal };
    await withSignal(limit, (signal) => finish(stream, signal));
  }

  /** Anybody may dial and say something: only the nonce of a question under way counts, on a connection that is new. */
  async #onDialBack(stream: Stream, connection: Connection): Promise<void> {
    const frames = framesOf(stream);
    const limit = { clock: this.#ports.clock, ms: dialBackMs, signal: this.#stopping.signal };
    try {
      await withinTime(limit, async (signal) => {
        const expected = this.#expected.get(decodeDialBack((await frames.read({ signal })).subarray()));
        const { direction, id } = connection;
        const isDialled = direction === 'inbound' && isDirect(connection) && !isPunched(connection);
        if (expected === undefined || !isDialled || expected.known.has(id))
          throw new Error('nobody was asked for that');
        expected.hasArrived = true;
        await frames.write(dialBackResponse, { signal });
      });
      await this.#finish(stream);
    } catch (error) {
      stream.abort(errorOf(error));
    }
  }
}

/** Sends as much as was asked for, which is what makes others not worth dialling for. */
async function pay(
  frames: LengthPrefixedStream,
  { byteCount, index }: Extract<AutonatMessage, { readonly kind: 'dialDataRequest' }>,
  signal: AbortSignal,
): Promise<void> {
  if (index > 0) throw new Error(`the peer names address ${index} of one`);
  if (byteCount > dialDataBytes.most) throw new Error(`the peer asks for ${byteCount} bytes`);
  const piece = encodeMessage({ kind: 'dialDataResponse', byteCount: dialDataPieceBytes });
  for (let sent = 0; sent < byteCount; sent += dialDataPieceBytes) await frames.write(piece, { signal });
}

/** What an answer says that can be believed. */
function verdictOf(
  { status, index, dialStatus: dial }: DialResponse,
  hasArrived: boolean,
): ReachabilityAnswer {
  if (status === responseStatus.refused) return { kind: 'refused' };
  if (status !== responseStatus.ok) return silent(`the peer answered ${status}`);
  if (index > 0) return silent(`the peer names address ${index} of one`);
  if (dial === dialStatus.ok && hasArrived) return { kind: 'reachable' };
  if (dial === dialStatus.dialError && !hasArrived) return { kind: 'unreachable' };
  return silent(`the peer says ${dial}, its dial has ${hasArrived ? '' : 'not '}arrived`);
}

const silent = (reason: string): ReachabilityAnswer => ({ kind: 'silent', reason });
