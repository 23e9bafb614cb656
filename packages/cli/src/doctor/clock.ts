import type { LloomBehaviour } from '@lloom/behaviour';
import {
  decodeDescriptorFrame,
  encodeDescriptorRequest,
  encodeFrame,
  FrameDecoder,
  limits,
} from '@lloom/codec';
import { toPeerId } from '@lloom/core';
import { counted, fail, ok, skip, spoken, warn, type Judgement } from './finding.ts';
import { within, type Bound } from './waiting.ts';

/**
 * Between which two values the clock of a peer is ahead of this machine's, in ms; behind where they are below 0. Peers do not
 * say what time it is: they sign what they offer, and hand it out for a third of its lifetime, so it was signed that long ago
 * at most.
 */
export interface ClockSample {
  readonly peerId: string;
  readonly leastMs: number;
  readonly mostMs: number;
}

/** What a peer has signed, and when it came. */
export interface Stamp {
  readonly peerId: string;
  /** By the clock of the peer, in ms since 1970. */
  readonly signedAt: number;
  /** How long before it was sent it may have been signed, in ms. */
  readonly maxAgeMs: number;
  /** By the clock of this machine, in ms since 1970. */
  readonly arrivedAt: number;
  /** How long it was on its way at most, in ms. */
  readonly maxWayMs: number;
}

/** What a stamp says of the clock of its peer. */
export function sampleOf({ peerId, signedAt, maxAgeMs, arrivedAt, maxWayMs }: Stamp): ClockSample {
  const leastMs = signedAt - arrivedAt;
  return { peerId, leastMs, mostMs: leastMs + maxAgeMs + maxWayMs };
}

const descriptorProtocol = '/lloom/descriptor/1.0.0';
/** A third of a lifetime, and what rounding and a busy peer add. */
const handedOutShare = 1 / 3;
const slackMs = 1_000;
/** So many are asked at most. */
const maxAsked = 8;

/** Asks connected peers for what they have signed. Those that offer nothing, or do not answer, are left out. */
export async function sampleClocks(
  node: LloomBehaviour,
  peerIds: readonly string[],
  bound: Bound,
): Promise<ClockSample[]> {
  const asked = peerIds.slice(0, maxAsked).map(async (peerId) => {
    const stamp = await within(bound, (signal) => askStamp(node, peerId, signal)).catch(() => undefined);
    return stamp === undefined ? [] : [sampleOf(stamp)];
  });
  return (await Promise.all(asked)).flat();
}

async function askStamp(
  { libp2p }: LloomBehaviour,
  peerId: string,
  signal: AbortSignal,
): Promise<Stamp | undefined> {
  const options = { signal, runOnLimitedConnection: true };
  const stream = await libp2p.dialProtocol(toPeerId(peerId), descriptorProtocol, options);
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  // Nobody may wait for it yet, or any more, when the stream ends.
  promise.catch(() => undefined);
  const decoder = new FrameDecoder({ maxFrameBytes: limits.descriptorBytes });
  stream.addEventListener('message', ({ data }) => {
    try {
      for (const frame of decoder.push(data.subarray())) resolve(frame);
    } catch (error) {
      reject(error as Error);
    }
  });
  stream.addEventListener('close', () => reject(new Error('the peer ended the stream')));
  const abort = (): void => stream.abort(new Error('no answer in time'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    const askedAt = performance.now();
    stream.send(encodeFrame(encodeDescriptorRequest()));
    const frame = await promise;
    const maxWayMs = performance.now() - askedAt;
    const signed = decodeDescriptorFrame(frame);
    if (signed === undefined) return undefined;
    const { timestampMs: signedAt, expiresMs } = signed;
    const maxAgeMs = (expiresMs - signedAt) * handedOutShare + slackMs;
    return { peerId, signedAt, maxAgeMs, arrivedAt: Date.now(), maxWayMs };
  } finally {
    signal.removeEventListener('abort', abort);
    void stream.close().catch(() => undefined);
  }
}

/** Beyond this what one node signs the other refuses, and gossip drops messages as old. */
const refusedMs = 60_000;
/** An honest clock that is set from the network is not off by so much. */
const oddMs = 5_000;

/** Whether the clock of this machine agrees with those of others: the median of what they prove. */
export function judgeClock(samples: readonly ClockSample[]): Judgement {
  if (samples.length === 0) return skip('no connected peer has signed anything that would tell the time', '');
  const leastMs = median(samples.map((sample) => sample.leastMs));
  const mostMs = median(samples.map((sample) => sample.mostMs));
  // What lies between is possible; what lies outside is proven.
  const offMs = leastMs > 0 ? leastMs : mostMs < 0 ? -mostMs : 0;
  const by = counted(samples.length, 'peer');
  if (offMs < oddMs) {
    const marginMs = Math.max(Math.abs(leastMs), Math.abs(mostMs));
    return ok(`agrees with ${by} to within ${spoken(marginMs)}, as exactly as it can be told`);
  }
  const side = leastMs > 0 ? 'behind' : 'ahead of';
  const finding = `this machine is at least ${spoken(offMs)} ${side} ${samples.length === 1 ? 'the one peer that tells the time' : by}`;
  const advice = `Set the clock of this machine, and keep it set with NTP: beyond ${spoken(refusedMs)} peers refuse each other's messages.`;
  // One peer alone may be the one that is wrong.
  return offMs < refusedMs || samples.length === 1 ? warn(finding, advice) : fail(finding, advice);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
