import { ConfigError, resolveConfig, type Check, type Checks } from '@lloom/core';

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
  /**
   * How many segments in a row are lost on average when one is, from 1 to 1_000: a line that fails for a moment loses all
   * of them, and is good for longer. What is sent again is on its own. At least as many as chance alone loses in a
   * row, `1 / (1 - lossRatio)`.
   * @default 1
   */
  readonly lossBurstSegments?: number;
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
  lossBurstSegments: 1,
  bandwidthBytesPerSecond: Infinity,
  breakAfterMs: 20_000,
});

/** A number within bounds, both included. */
export const between =
  (min: number, max: number, unit: string): Check =>
  (value) =>
    typeof value === 'number' && value >= min && value <= max ? undefined : `${min} to ${max}${unit}`;

/**
 * Refuses a value that a check refuses.
 * @throws {ConfigError} with that one problem
 */
export function checkField(path: string, value: unknown, check: Check): void {
  const wanted = check(value);
  if (wanted === undefined) return;
  const got = typeof value === 'string' ? `"${value.slice(0, 100)}"` : value === null ? 'null' : typeof value;
  throw new ConfigError([{ path, got, wanted }]);
}

const dayMs = 86_400_000;
const checks: Checks<Required<LinkConfig>> = {
  delayMs: between(0, dayMs, ' ms'),
  jitterMs: between(0, dayMs, ' ms'),
  lossRatio: between(0, 0.9, ''),
  lossBurstSegments: between(1, 1_000, ' segments'),
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

/** Something that sends one byte after the other. */
export interface Line {
  readonly bytesPerSecond: number;
  /** When it has sent what was handed to it, in ms. */
  freeAtMs: number;
}

/** IPv4 and TCP. */
const headerBytes = 40;

/** When a segment has left a line, in ms: after what was there before it. Pure. */
export function leavesAt({ bytesPerSecond, freeAtMs }: Line, atMs: number, bytes: number): number {
  return Math.max(atMs, freeAtMs) + ((bytes + headerBytes) / bytesPerSecond) * 1_000;
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
  /** Whether the segment before it on this link, of any connection, was lost at its first try. */
  readonly isAfterLoss?: boolean;
  /** What the sender sends everything through, whoever it is for. Absent when that takes no time. */
  readonly upload?: Line | undefined;
}

/** What becomes of a {@link Segment}. */
export interface Passage {
  /** When its last byte has left its sender, in ms. */
  readonly sentAtMs: number;
  /** When its last byte has left the line, in ms. */
  readonly leavesAtMs: number;
  /** When it is there, in ms. */
  readonly arrivesAtMs: number;
  /** How often it was lost on the way. */
  readonly losses: number;
}

/** The shortest time that TCP waits for an acknowledgement. */
const minRetransmissionMs = 200;
/** TCP gives up after about this many; by then a connection has broken. */
const maxLosses = 15;

/** How long a sender waits for an acknowledgement before it sends again, in ms. */
export function retransmissionMs(link: Link): number {
  return Math.max(minRetransmissionMs, 4 * (link.delayMs + link.jitterMs));
}

/**
 * The chance that a segment is lost at its first try: two states (Gilbert's model), so that losses come in bursts of a
 * mean length while their share stays what it is.
 */
function lossChance({ lossRatio, lossBurstSegments }: Link, isAfterLoss: boolean): number {
  const meets = 1 / (1 - lossRatio);
  if (lossBurstSegments <= meets) return lossRatio;
  return isAfterLoss ? 1 - 1 / lossBurstSegments : (lossRatio * meets) / lossBurstSegments;
}

/**
 * When a segment arrives. Pure: all chance comes from `float`, and what it must know of the past is in the segment.
 *
 * A loss costs a round trip when more data follows (fast retransmit), else a timeout that doubles each time.
 */
export function passage(link: Link, segment: Segment, float: () => number): Passage {
  const { atMs, bytes, upload, isFollowed, isAfterLoss = false } = segment;
  const sentAtMs = upload === undefined ? atMs : leavesAt(upload, atMs, bytes);
  const line = { bytesPerSecond: link.bandwidthBytesPerSecond, freeAtMs: segment.lineFreeAtMs };
  const leavesAtMs = leavesAt(line, sentAtMs, bytes);
  let losses = 0;
  let waitsMs = 0;
  let timeoutMs = retransmissionMs(link);
  let chance = lossChance(link, isAfterLoss);
  while (link.lossRatio > 0 && losses < maxLosses && float() < chance) {
    const isFast = losses === 0 && isFollowed;
    waitsMs += isFast ? 2 * link.delayMs : timeoutMs;
    if (!isFast) timeoutMs *= 2;
    losses += 1;
    // By then the burst is over.
    chance = link.lossRatio;
  }
  const jitterMs = link.jitterMs > 0 ? float() * link.jitterMs : 0;
  const arrivesAtMs = Math.max(leavesAtMs + link.delayMs + jitterMs + waitsMs, segment.lastArrivalMs);
  return { sentAtMs, leavesAtMs, arrivesAtMs, losses };
}
