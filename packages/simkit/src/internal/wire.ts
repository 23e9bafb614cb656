import { leavesAt, passage } from '../link.ts';
import type { Fabric, Host } from './fabric.ts';
import type { Lane } from './lane.ts';

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
    const { from, fabric } = this.#parts;
    do {
      const sentAtMs = this.#ship(takeSegment(this.#outbox), this.#outbox.length > 0);
      if (from.upload === undefined) continue;
      // One at a time, so that the other connections of the host have their turn between two of them.
      this.#isFlushing = true;
      fabric.clock.at(sentAtMs, () => this.#flush());
    } while (!this.#isFlushing && this.#outbox.length > 0);
  }

  /** Sends a segment. Returns when its last byte has left the host, in ms. */
  #ship(parcels: readonly Parcel[], isFollowed: boolean): number {
    const { fabric, from, to } = this.#parts;
    const lane = this.#lane;
    const bytes = parcels.reduce((sum, parcel) => sum + parcel.bytes, 0);
    const segment = {
      atMs: fabric.clock.elapsed(),
      bytes,
      isFollowed,
      lineFreeAtMs: lane.freeAtMs,
      lastArrivalMs: this.#lastArrivalMs,
      isAfterLoss: lane.isLosing,
      upload: from.upload,
    };
    const way = passage(lane.link, segment, () => fabric.random.float());
    lane.freeAtMs = way.leavesAtMs;
    lane.isLosing = way.losses > 0;
    if (from.upload !== undefined) from.upload.freeAtMs = way.sentAtMs;
    this.#lastArrivalMs = way.arrivesAtMs;
    const lost = way.losses === 0 ? '' : ` lost x${way.losses}`;
    fabric.trace.note(`${from.name} > ${to.name} ${bytes} B${lost}`);
    fabric.noteSegment(from, bytes, way.losses);
    fabric.clock.at(way.arrivesAtMs, () => this.#reach(parcels, bytes));
    return way.sentAtMs;
  }

  /** A segment is at the host that it is for, and comes in when that has taken what was there before. */
  #reach(parcels: readonly Parcel[], bytes: number): void {
    const { fabric, to } = this.#parts;
    const { clock } = fabric;
    const take = (): void => {
      for (const parcel of parcels) this.#arrive(parcel);
    };
    if (to.download === undefined) return take();
    to.download.freeAtMs = leavesAt(to.download, clock.elapsed(), bytes);
    clock.at(to.download.freeAtMs, take);
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

/** Takes from a list what travels together. */
function takeSegment(outbox: Parcel[]): Parcel[] {
  let room = maxSegmentBytes;
  const next = outbox.findIndex(({ bytes }, index) => {
    room -= bytes;
    return index > 0 && room < 0;
  });
  return outbox.splice(0, next < 0 ? outbox.length : next);
}
