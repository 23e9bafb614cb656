import type { Connection, Stream } from '@libp2p/interface';
import { lpStream, type LengthPrefixedStream } from '@libp2p/utils';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { PunchCall } from '../internal/directNetwork.ts';
import {
  decodeHolePunch,
  encodeHolePunch,
  maxHolePunchBytes,
  type HolePunch,
} from '../internal/holePunch.ts';

/** DCUtR's name on the wire. */
export const dcutrProtocol = '/libp2p/dcutr';

/** Messages of DCUtR over one stream. */
export class DcutrStream {
  readonly #stream: Stream;
  readonly #messages: LengthPrefixedStream<Stream>;

  /** To be made at once: what comes before is lost. */
  constructor(stream: Stream) {
    this.#stream = stream;
    this.#messages = lpStream(stream, {
      maxDataLength: maxHolePunchBytes,
      maxBufferSize: 4 * maxHolePunchBytes,
    });
  }

  async send(type: HolePunch['type'], addresses: readonly Multiaddr[], signal: AbortSignal): Promise<void> {
    const bytes = encodeHolePunch({ type, addresses: addresses.map((address) => address.bytes) });
    await this.#messages.write(bytes, { signal });
  }

  /** The addresses of the next message. @throws when it is another one, or none comes */
  async read(type: HolePunch['type'], signal: AbortSignal): Promise<HolePunch['addresses']> {
    const message = decodeHolePunch((await this.#messages.read({ signal })).subarray());
    if (message?.type !== type) throw new Error(`wanted ${type}, got ${message?.type ?? 'something else'}`);
    return message.addresses;
  }

  /** Says that nothing more comes. May be called any number of times. */
  close(): void {
    const limit = AbortSignal.timeout(closeLimitMs);
    this.#stream.close({ signal: limit }).catch((error: unknown) => this.#stream.abort(error as Error));
  }

  abort(reason: string): void {
    if (this.#stream.status === 'open') this.#stream.abort(new Error(reason));
  }
}

const closeLimitMs = 1_000;

/** A peer's call, with the stream that it came by. */
export class IncomingCall implements PunchCall {
  readonly peerId: string;
  readonly relayed: Connection;
  readonly relay: string;
  readonly stream: DcutrStream;
  /** Where the peer is to be dialled, as it came. */
  said: HolePunch['addresses'] = [];

  constructor(stream: Stream, relayed: Connection) {
    this.stream = new DcutrStream(stream);
    this.relayed = relayed;
    this.peerId = relayed.remotePeer.toString();
    const way = relayed.remoteAddr.getComponents();
    this.relay = way[way.findIndex(({ name }) => name === 'p2p-circuit') - 1]?.value ?? '';
  }

  /** Waits for what the peer says first. @throws when it says something else, or the signal fires */
  async hear(signal: AbortSignal): Promise<void> {
    this.said = await this.stream.read('connect', signal);
  }

  refuse(reason: string): void {
    this.stream.abort(reason);
  }
}
