import { resolveConfig, type Check, type Checks } from '@lloom/core';

/** One direction of a connection between two hosts. */
export interface LinkConfig {
  /** How long a byte is under way, one way, in ms. @default 0 */
  readonly delayMs?: number;
  /** How much longer it may be, in ms, evenly spread. Order is kept. @default 0 */
  readonly jitterMs?: number;
  /**
   * Which share of segments is lost, from 0 to 0.9. A lost one is sent again, and everything behind it waits: a
   * connection is late, never garbled.
   * @default 0
   */
  readonly lossRatio?: number;
  /** How many bytes a second pass, shared by all connections of that direction. @default Infinity */
  readonly bandwidthBytesPerSecond?: number;
  /** How long a sender that cannot get through keeps trying before its connection breaks, in ms. @default 20_000 */
  readonly breakAfterMs?: number;
}

/** A complete {@link LinkConfig}. */
export type Link = Readonly<Required<LinkConfig>>;

/** A perfect link. */
export const linkDefaults: Link = Object.freeze({
  delayMs: 0,
  jitterMs: 0,
  lossRatio: 0,
  bandwidthBytesPerSecond: Infinity,
  breakAfterMs: 20_000,
});

const between =
  (min: number, max: number, unit: string): Check =>
  (value) =>
    typeof value === 'number' && value >= min && value <= max ? undefined : `${min} to ${max}${unit}`;

const dayMs = 86_400_000;
const checks: Checks<Required<LinkConfig>> = {
  delayMs: between(0, dayMs, ' ms'),
  jitterMs: between(0, dayMs, ' ms'),
  lossRatio: between(0, 0.9, ''),
  bandwidthBytesPerSecond: between(1, Infinity, ' bytes a second'),
  breakAfterMs: between(1, dayMs, ' ms'),
};

/**
 * A complete link from a partial one.
 * @throws {ConfigError} listing every problem
 */
export function resolveLink(input: LinkConfig = {}, defaults: Link = linkDefaults): Link {
  return resolveConfig<Required<LinkConfig>>('link', { checks, defaults }, input);
}

/** What travels together: the bytes that one side wrote in one instant, or a part of them. */
export interface Segment {
  /** When it is handed to the link, in ms. */
  readonly atMs: number;
  /** How much it carries. */
  readonly bytes: number;
  /** Whether another one is right behind it, so that the receiver notices a gap and says so. */
  readonly isFollowed: boolean;
  /** When the line is free, in ms: what was sent before it, on any connection, must have left. */
  readonly lineFreeAtMs: number;
  /** When the last segment of the same connection arrives, in ms: none overtakes another. */
  readonly lastArrivalMs: number;
}

/** What becomes of a {@link Segment}. */
export interface Passage {
  /** When its last byte has left, in ms. */
  readonly leavesAtMs: number;
  /** When it is there, in ms. */
  readonly arrivesAtMs: number;
  /** How often it was lost on the way. */
  readonly losses: number;
}

/** IPv4 and TCP. */
const headerBytes = 40;
/** The shortest time that TCP waits for an acknowledgement. */
const minRetransmissionMs = 200;
/** TCP gives up after about this many; by then a connection has broken. */
const maxLosses = 15;

/** How long a sender waits for an acknowledgement before it sends again, in ms. */
export function retransmissionMs(link: Link): number {
  return Math.max(minRetransmissionMs, 4 * (link.delayMs + link.jitterMs));
}

/**
 * When a segment arrives. Pure: all chance comes from `float`, and what it must know of the past is in the segment.
 *
 * A loss costs a round trip when more data follows (fast retransmit), else a timeout that doubles each time.
 */
export function passage(link: Link, segment: Segment, float: () => number): Passage {
  const startsAtMs = Math.max(segment.atMs, segment.lineFreeAtMs);
  const leavesAtMs = startsAtMs + ((segment.bytes + headerBytes) / link.bandwidthBytesPerSecond) * 1_000;
  let losses = 0;
  let waitsMs = 0;
  let timeoutMs = retransmissionMs(link);
  while (link.lossRatio > 0 && losses < maxLosses && float() < link.lossRatio) {
    const isFast = losses === 0 && segment.isFollowed;
    waitsMs += isFast ? 2 * link.delayMs : timeoutMs;
    if (!isFast) timeoutMs *= 2;
    losses += 1;
  }
  const jitterMs = link.jitterMs > 0 ? float() * link.jitterMs : 0;
  const arrivesAtMs = Math.max(leavesAtMs + link.delayMs + jitterMs + waitsMs, segment.lastArrivalMs);
  return { leavesAtMs, arrivesAtMs, losses };
}
