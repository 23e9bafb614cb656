import { passage, type Passage } from '../link.ts';
import type { Fabric, Host, Lane } from './fabric.ts';

/** Something on its way, and what happens when it is there. */
interface Parcel {
  readonly bytes: number;
  readonly arrive: () => void;
}

/** Where a wire lies, and what its sender wants to know. */
export interface WireParts {
  readonly fabric: Fabric;
  readonly from: Host;
  readonly to: Host;
  /** There is room again. */
  readonly onDrain: () => void;
  /** Nothing has got through for as long as the link allows. */
  readonly onBreak: () => void;
}

/** A full sender stops here, as with the buffers of a socket. */
const highWaterBytes = 1024 * 1024;
/** And goes on here. */
const lowWaterBytes = 256 * 1024;
/** What a network card takes in one piece. */
export const maxSegmentBytes = 64 * 1024;

/** One direction of one connection: ordered, reliable, as late as its link makes it. */
export class Wire {
  readonly #parts: WireParts;
  readonly #lane: Lane;
  #outbox: Parcel[] = [];
  #arrived: Parcel[] = [];
  #inFlightBytes = 0;
  #lastArrivalMs = 0;
  #isFull = false;
  #isPaused = false;
  #isFlushing = false;
  #isClosed = false;
  #stopWaiting: (() => void) | undefined;

  constructor(parts: WireParts) {
    this.#parts = parts;
    this.#lane = parts.fabric.lane(parts.from, parts.to);
  }

  /** Sends. `arrive` runs on the other side. Returns whether there is room for more. */
  send(bytes: number, arrive: () => void): boolean {
    if (this.#isClosed) return true;
    this.#outbox.push({ bytes, arrive });
    this.#inFlightBytes += bytes;
    // What is written in one instant travels together, so that loss hits it once.
    if (!this.#isFlushing && this.#stopWaiting === undefined) {
      this.#isFlushing = true;
      this.#parts.fabric.clock.atEndOfInstant(() => this.#flush());
    }
    if (this.#inFlightBytes >= highWaterBytes) this.#isFull = true;
    return !this.#isFull;
  }

  /** The reader wants nothing for now; what arrives stays in its socket. */
  pause(): void {
    this.#isPaused = true;
  }

  /** The reader goes on. */
  resume(): void {
    this.#isPaused = false;
    while (!this.#isPaused) {
      const parcel = this.#arrived.shift();
      if (parcel === undefined) return;
      this.#deliver(parcel);
    }
  }

  /** Nothing is sent any more. What is on its way arrives. */
  close(): void {
    this.#isClosed = true;
    this.#outbox = [];
    this.#stopWaiting?.();
  }

  #flush(): void {
    this.#isFlushing = false;
    if (this.#isClosed || this.#outbox.length === 0) return;
    if (!this.#lane.isOpen) {
      this.#wait();
      return;
    }
    const parcels = this.#outbox;
    this.#outbox = [];
    const segments = segmentsOf(parcels);
    for (const [index, segment] of segments.entries()) this.#ship(segment, index < segments.length - 1);
  }

  #ship(parcels: readonly Parcel[], isFollowed: boolean): void {
    const { clock, random, trace } = this.#parts.fabric;
    const bytes = parcels.reduce((sum, parcel) => sum + parcel.bytes, 0);
    const segment = {
      atMs: clock.elapsed(),
      bytes,
      isFollowed,
      lineFreeAtMs: this.#lane.freeAtMs,
      lastArrivalMs: this.#lastArrivalMs,
    };
    const way: Passage = passage(this.#lane.link, segment, () => random.float());
    this.#lane.freeAtMs = way.leavesAtMs;
    this.#lastArrivalMs = way.arrivesAtMs;
    const lost = way.losses === 0 ? '' : ` lost x${way.losses}`;
    trace.note(`${this.#parts.from.name} > ${this.#parts.to.name} ${bytes} B${lost}`);
    clock.at(way.arrivesAtMs, () => {
      for (const parcel of parcels) this.#arrive(parcel);
    });
  }

  #arrive(parcel: Parcel): void {
    if (this.#isPaused) this.#arrived.push(parcel);
    else this.#deliver(parcel);
  }

  #deliver(parcel: Parcel): void {
    this.#inFlightBytes -= parcel.bytes;
    parcel.arrive();
    if (!this.#isFull || this.#inFlightBytes > lowWaterBytes) return;
    this.#isFull = false;
    this.#parts.onDrain();
  }

  /** Holds everything back until the lane opens, or the sender gives up: not while the lane is held. */
  #wait(): void {
    const { fabric, from, to, onBreak } = this.#parts;
    const { clock, trace } = fabric;
    trace.note(`${from.name} > ${to.name} blocked`);
    const giveUp = (): void => {
      this.#stopWaiting?.();
      trace.note(`${from.name} > ${to.name} broke`);
      onBreak();
    };
    const arm = () => clock.at(clock.elapsed() + this.#lane.link.breakAfterMs, giveUp);
    let breaking = this.#lane.isHeld ? undefined : arm();
    const disarm = (): void => {
      if (breaking !== undefined) clock.drop(breaking);
      breaking = undefined;
    };
    const forget = this.#lane.onChange(() => {
      if (this.#lane.isOpen) {
        this.#stopWaiting?.();
        this.#flush();
      } else if (this.#lane.isHeld) {
        disarm();
      } else {
        breaking ??= arm();
      }
    });
    this.#stopWaiting = () => {
      this.#stopWaiting = undefined;
      forget();
      disarm();
    };
  }
}

/** Parcels in groups that travel together. */
function segmentsOf(parcels: readonly Parcel[]): Parcel[][] {
  const segments: Parcel[][] = [];
  let room = 0;
  for (const parcel of parcels) {
    if (parcel.bytes > room || segments.length === 0) {
      segments.push([]);
      room = maxSegmentBytes;
    }
    segments.at(-1)!.push(parcel);
    room -= parcel.bytes;
  }
  return segments;
}
