import type { EvmAddress, Hex } from './types.ts';

/** Where time comes from. Has the shape of XState's `clock`, so that one clock drives machines and services. */
export interface Clock {
  /** Wall time, in ms since 1970. For what is written on the wire; may jump. */
  now(): number;
  /** Time that never goes back, in ms from an arbitrary start. For measuring. */
  elapsed(): number;
  /** Calls `fn` once, `ms` from now. */
  setTimeout(fn: (...args: unknown[]) => void, ms: number): unknown;
  /** Drops a call that has not happened yet. */
  clearTimeout(id: unknown): void;
}

/** Where chance comes from. */
export interface Random {
  /** `length` bytes that nobody can guess. */
  bytes(length: number): Uint8Array;
  /** A number from 0 up to, not including, 1. For jitter and choice, never for secrets. */
  float(): number;
}

/** One step of a state machine, as XState reports it. */
export interface InspectionEvent {
  readonly type: string;
}

/** Watches every state machine of a package. Has the shape of XState's `inspect` option. */
export type Inspector = { bivarianceHack(event: InspectionEvent): void }['bivarianceHack'];

/** Which of several like figures is meant. Few names with few values each: every combination is kept. */
export type MeterLabels = Readonly<Record<string, string>>;

/** What is measured. Its figures differ in their labels only. */
export interface MetricFamily {
  /**
   * Its name as Prometheus wants it, without the `lloom_` that all have: the package, what is measured, and the unit at the end
   * (`_seconds`, `_bytes`), with `_total` behind it where it only grows.
   */
  readonly name: string;
  /** What it tells, in one sentence for operators. */
  readonly help: string;
  /** The names of its labels. @default none */
  readonly labels?: readonly string[];
}

/** A spread of values, such as times. */
export interface HistogramFamily extends MetricFamily {
  /** The upper bounds that values are sorted under, rising; what is above all of them is counted as well. */
  readonly buckets: readonly number[];
}

/** A figure at the moment when it is asked for. */
export interface GaugeSample {
  readonly labels: MeterLabels;
  readonly value: number;
}

/** Takes figures of what happens. Filled by `@lloom/metrics`. */
export interface Meter {
  /** A sum that grows. The returned function adds to it; keep it, for it is cheaper than asking again. */
  counter(family: MetricFamily, labels?: MeterLabels): (by?: number) => void;
  /** A spread of values. The returned function takes one more; keep it as well. */
  histogram(family: HistogramFamily, labels?: MeterLabels): (value: number) => void;
  /**
   * A figure that goes up and down. `read` is asked for it when somebody looks, and must be quick; whoever says it anew for the
   * same family replaces it.
   */
  gauge(family: MetricFamily, read: () => number | readonly GaugeSample[]): void;
}

/** Messages of the application, whichever package carries them. Each of those counts its own. */
export const messagesFamily = {
  name: 'messages_total',
  help: 'Requests, answers and gossip messages of this node and to it, not counting what it passes on.',
  labels: ['carrier', 'direction'],
} as const satisfies MetricFamily;

/** Upper bounds for what takes from a millisecond to two minutes, in seconds. */
export const secondsBuckets: readonly number[] = Object.freeze([
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
]);

/** What a span says of what it stands for. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** How a span begins. */
export interface SpanConfig {
  /** Which side of a request it is. */
  readonly kind: 'client' | 'server' | 'internal';
  /** The W3C `traceparent` of what caused it. @default whatever is traced around the call, or a new trace */
  readonly parent?: string | undefined;
  readonly attributes?: SpanAttributes;
  /** How long ago it began, in ms: for what is told of only when it is over. @default 0 - now */
  readonly startedMsAgo?: number;
}

/** One piece of a trace, from its start to its end. Nothing of it throws, also after its end. */
export interface Span {
  /** The W3C `traceparent` that makes others its children. */
  readonly traceparent: string;
  setAttributes(attributes: SpanAttributes): void;
  /** Notes that something happened just now. */
  addEvent(name: string, attributes?: SpanAttributes): void;
  /** Runs `act`: what is traced within it becomes a child. */
  run<T>(act: () => T): T;
  /** Ends it, once. @param error why what it stands for failed; without one it went well */
  end(error?: { readonly code: string; readonly message: string }): void;
}

/** Follows requests across nodes. Filled by `openTelemetry` of `@lloom/metrics`. */
export interface Tracer {
  /** The W3C `traceparent` that tells peers that a request is not sampled, so that they do not follow it either. */
  readonly unsampled: string;
  /** Begins a span; `undefined` when this one is not sampled, which must cost next to nothing. Never throws. */
  startSpan(name: string, config: SpanConfig): Span | undefined;
  /** Runs `act` with nothing traced around it: what belongs to one request must not look like a part of another. */
  apart<T>(act: () => T): T;
}

/** What every package factory takes beside its configuration. */
export interface CommonPorts {
  /** Takes figures of what the package does. @default none */
  readonly meter?: Meter;
  /** Watches every state machine of the package. @default none */
  readonly inspect?: Inspector;
  /** Where time comes from. @default {@link systemClock} */
  readonly clock?: Clock;
  /** Where chance comes from. @default {@link systemRandom} */
  readonly random?: Random;
}

/** What is to be signed: a payload exactly as it will be sent, and for whom. */
export interface EnvelopeDraft {
  /** Name of the payload's message type, such as `LlmRequest`. */
  readonly payloadType: string;
  /** The payload exactly as it will be sent. */
  readonly payloadBytes: Uint8Array;
  /** Who may act on it. @default the zero address: anybody the payload admits */
  readonly to?: EvmAddress;
  /** Digest of the payload that this one answers. @default 32 zero bytes: nothing */
  readonly inReplyTo?: Hex;
  /** How long it stays valid from now, in ms. @default chosen by the signer */
  readonly ttlMs?: number;
}

/** A payload with everything that was signed beside it, and the signature. */
export interface SignedEnvelope {
  /** Name of the payload's message type. */
  readonly payloadType: string;
  /** The payload exactly as it was sent; the signature covers these bytes. */
  readonly payloadBytes: Uint8Array;
  /** Who says to have signed. Proven only by verification. */
  readonly signer: EvmAddress;
  /** Who may act on it; the zero address admits anybody the payload admits. */
  readonly to: EvmAddress;
  /** Digest of the payload that this one answers; 32 zero bytes for none. */
  readonly inReplyTo: Hex;
  /** When it was signed, in ms since 1970. */
  readonly timestampMs: number;
  /** When it stops being valid, in ms since 1970. */
  readonly expiresMs: number;
  /** 32 random bytes that make it unlike any other. */
  readonly nonce: Hex;
  /** 65 bytes: r, s and recovery id. */
  readonly signature: Hex;
}

/** Signs with one key. Filled by `@lloom/identity`. */
export interface Signer {
  /** The address that verification will find. */
  readonly address: EvmAddress;
  /** Signs a draft. */
  sign(draft: EnvelopeDraft): Promise<SignedEnvelope>;
}

/** What the receiver of an envelope expects of it. An absent field is not checked. */
export interface EnvelopeExpectation {
  /** The payload type that belongs here. */
  readonly payloadType?: string;
  /** Who must have signed. */
  readonly signer?: EvmAddress;
  /** The addresses that may be named as audience. */
  readonly audience?: readonly EvmAddress[];
  /** The digest that must be answered. */
  readonly inReplyTo?: Hex;
  /**
   * Remember the nonce and refuse it a second time. Checked last. A function is asked when everything else is proven,
   * and says whether to. @default false
   */
  readonly once?: boolean | ((proven: { readonly signer: EvmAddress }) => boolean);
}

/** A keccak-256 that is fed piece by piece. */
export interface RunningDigest {
  /** Takes the next bytes. */
  update(bytes: Uint8Array): void;
  /** The digest of all bytes so far; more may follow. */
  digest(): Hex;
}

/** Checks envelopes and computes their digests. Filled by `@lloom/identity`. */
export interface Verifier {
  /**
   * Proves who signed, and that the envelope is fresh, meant for this receiver and, with `once`, new.
   * @throws an error with a closed `code` that says which of these failed
   */
  verify(
    envelope: SignedEnvelope,
    expectation: EnvelopeExpectation,
  ): Promise<{ readonly signer: EvmAddress }>;
  /** keccak-256 of some bytes. */
  digest(bytes: Uint8Array): Hex;
  /** A digest that is fed piece by piece. */
  startDigest(): RunningDigest;
  /** The address that belongs to a peer id; `undefined` when its key is not secp256k1. */
  addressOf(peerId: string): EvmAddress | undefined;
}
