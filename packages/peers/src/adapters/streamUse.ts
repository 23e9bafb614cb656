import type { Connection, Stream, StreamMuxer } from '@libp2p/interface';
import { safe } from '@lloom/core';

import type { NetworkSettings } from '../ports.ts';
import { pingProtocol } from './ping.ts';

type Opener = Connection['newStream'];

/**
 * Tells whether a connection is used: whether streams are open on it, or were, beside those of background protocols. Sees
 * those as well that open and close between two looks: inbound ones by the muxer's event, outbound ones by way of
 * `newStream`, which it wraps.
 *
 * An outbound stream counts from the moment it is asked for. An inbound one counts once its protocol is known: until then
 * anybody could keep a connection in use who never names one.
 */
export class StreamUse {
  /** When the last stream ended, or the connection was opened, by the clock's elapsed time. */
  lastUsedAt: number;
  readonly #connection: Connection;
  readonly #settings: NetworkSettings;
  /** libp2p keeps it to itself. Without it inbound streams are seen only while they are open. */
  readonly #muxer: StreamMuxer | undefined;
  readonly #open: Opener;
  readonly #wrapped: Opener;
  readonly #onStream: (event: CustomEvent<Stream>) => void;
  readonly #onClose: (event: Event) => void;
  /** Outbound streams that still negotiate. */
  #opening = 0;

  constructor(connection: Connection, settings: NetworkSettings, onError: (error: unknown) => void) {
    this.#connection = connection;
    this.#settings = settings;
    this.lastUsedAt = settings.clock.elapsed();
    this.#onClose = safe((event: Event) => this.#ended(event.target as Stream), onError);
    this.#onStream = safe((event: CustomEvent<Stream>) => this.#watch(event.detail), onError);
    const { muxer } = connection as { readonly muxer?: StreamMuxer };
    this.#muxer = muxer;
    muxer?.addEventListener('stream', this.#onStream);
    for (const stream of connection.streams) this.#watch(stream);
    this.#open = connection.newStream.bind(connection);
    this.#wrapped = (protocols, streamConfig) => {
      const opening = this.#open(protocols, streamConfig);
      if (this.#namesUse(protocols)) this.#follow(opening);
      return opening;
    };
    connection.newStream = this.#wrapped;
  }

  /** Whether it is used now. */
  get isInUse(): boolean {
    return this.#opening > 0 || this.#connection.streams.some(({ protocol }) => this.#isUse(protocol));
  }

  /** Leaves the connection as it was. */
  end(): void {
    this.#muxer?.removeEventListener('stream', this.#onStream);
    if (this.#connection.newStream === this.#wrapped) this.#connection.newStream = this.#open;
  }

  #follow(opening: Promise<Stream>): void {
    this.#opening += 1;
    // Comes before whoever asked goes on. A rejection is told to them, this is a branch beside.
    opening.then(this.#opened, this.#failed);
  }

  readonly #opened = (stream: Stream): void => {
    this.#failed();
    this.#watch(stream);
  };

  readonly #failed = (): void => {
    this.#opening -= 1;
    this.lastUsedAt = this.#settings.clock.elapsed();
  };

  #watch(stream: Stream): void {
    stream.addEventListener('close', this.#onClose);
  }

  #ended({ protocol }: Stream): void {
    if (this.#isUse(protocol)) this.lastUsedAt = this.#settings.clock.elapsed();
  }

  #namesUse(protocols: string | readonly string[]): boolean {
    if (typeof protocols === 'string') return this.#isUse(protocols);
    return protocols.some((protocol) => this.#isUse(protocol));
  }

  #isUse(protocol: string): boolean {
    if (protocol === '' || protocol === pingProtocol) return false;
    const { backgroundProtocols } = this.#settings;
    for (const beginning of backgroundProtocols) if (protocol.startsWith(beginning)) return false;
    return true;
  }
}
