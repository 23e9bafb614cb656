import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils';
import type { Logger, MessageStreamDirection, PeerId } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { Uint8ArrayList } from 'uint8arraylist';
import type { Fabric, Host } from '../internal/fabric.ts';
import { systemError } from '../internal/systemError.ts';
import { maxSegmentBytes, Wire } from '../internal/wire.ts';

/** What a connection is made of. */
export interface ConnectionParts {
  readonly fabric: Fabric;
  readonly host: Host;
  readonly remoteHost: Host;
  readonly remotePeer: PeerId;
  readonly remoteAddr: Multiaddr;
  readonly direction: MessageStreamDirection;
  readonly log: Logger;
}

/** Something that travels as it is, without bytes: what a simulated muxer sends. */
export type FrameListener = (frame: unknown) => void;

/** One end of a connection between two hosts. */
export class SimConnection extends AbstractMultiaddrConnection {
  readonly host: Host;
  readonly remotePeer: PeerId;
  readonly #fabric: Fabric;
  readonly #remoteHost: Host;
  readonly #wire: Wire;
  #other: SimConnection | undefined;
  /** Whether nobody on this side knows of the connection any more. */
  #isGone = false;
  #onFrame: FrameListener | undefined;
  /** Frames that came before the muxer did. */
  readonly #earlyFrames: unknown[] = [];

  constructor(parts: ConnectionParts) {
    const { remoteAddr, direction, log } = parts;
    super({ remoteAddr, direction, log, maxMessageSize: maxSegmentBytes });
    this.host = parts.host;
    this.remotePeer = parts.remotePeer;
    this.#fabric = parts.fabric;
    this.#remoteHost = parts.remoteHost;
    this.#wire = new Wire({
      fabric: parts.fabric,
      from: parts.host,
      to: parts.remoteHost,
      onDrain: () => this.safeDispatchEvent('drain'),
      onBreak: () => this.#break(),
    });
  }

  /** Names the other end. */
  join(other: SimConnection): void {
    this.#other = other;
  }

  /** Does something on the other side when everything sent before has arrived there. */
  signal(bytes: number, arrive: () => void): boolean {
    return this.#wire.send(bytes, arrive);
  }

  /** Sends something that is no bytes, as if it had `bytes` of them. Returns whether there is room for more. */
  sendFrame(bytes: number, frame: unknown): boolean {
    return this.#send(bytes, (other) => other.#takeFrame(frame));
  }

  /** Calls `fn` after some virtual time. */
  delay(ms: number, fn: () => void): void {
    const { clock } = this.#fabric;
    clock.at(clock.elapsed() + ms, fn);
  }

  /** Hands over every frame, those included that are here already. */
  onFrames(listener: FrameListener): void {
    this.#onFrame = listener;
    for (const frame of this.#earlyFrames.splice(0)) listener(frame);
  }

  /** Closes this end at once, as a socket that is destroyed: whoever holds it hears of it a moment later. */
  hangUp(): void {
    void this.sendClose();
    queueMicrotask(() => {
      if (this.status !== 'closed') this.onTransportClosed();
    });
  }

  /** The process behind this end is dead. `isSilent` when its machine is, too. */
  vanish(isSilent: boolean): void {
    if (!isSilent && this.status === 'open') this.#send(0, (other) => other.onRemoteReset());
    this.#isGone = true;
    if (isSilent) this.#wire.close();
  }

  override sendData(data: Uint8ArrayList): SendResult {
    const bytes = data.subarray().slice();
    const canSendMore = this.#send(bytes.byteLength, (other) => other.onData(bytes));
    return { sentBytes: bytes.byteLength, canSendMore };
  }

  override async sendClose(): Promise<void> {
    this.#send(0, (other) => other.#onClose());
  }

  override sendReset(): void {
    this.#send(0, (other) => other.onRemoteReset());
  }

  override sendPause(): void {
    if (this.#other !== undefined) this.#other.#wire.pause();
  }

  override sendResume(): void {
    if (this.#other !== undefined) this.#other.#wire.resume();
  }

  #send(bytes: number, arrive: (other: SimConnection) => void): boolean {
    const other = this.#other;
    if (other === undefined || this.#isGone) return true;
    return this.#wire.send(bytes, () => {
      if (other.#isGone) this.#refused();
      else if (other.status === 'open' || other.status === 'closing') arrive(other);
    });
  }

  /** Its system has given up: nothing more is sent, and whatever still comes is refused. */
  #break(): void {
    this.#isGone = true;
    this.#wire.close();
    this.abort(systemError('ETIMEDOUT', 'read ETIMEDOUT'));
  }

  /** The machine of the other side is up, and knows nothing of this connection. */
  #refused(): void {
    const back = this.#fabric.lane(this.#remoteHost, this.host);
    if (!back.isOpen || this.status !== 'open') return;
    const { clock } = this.#fabric;
    clock.at(clock.elapsed() + back.link.delayMs, () => {
      if (this.status === 'open') this.onRemoteReset();
    });
  }

  #onClose(): void {
    this.onTransportClosed();
  }

  #takeFrame(frame: unknown): void {
    if (this.#onFrame === undefined) this.#earlyFrames.push(frame);
    else this.#onFrame(frame);
  }
}
