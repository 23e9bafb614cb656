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

/** Takes figures of what happens. Filled by `@lloom/metrics`. */
export interface Meter {
  /** A sum that grows. The returned function adds to it; keep it, for it is cheaper than asking again. */
  counter(name: string, labels?: MeterLabels): (by?: number) => void;
  /** A spread of values, such as times. The returned function takes one more. */
  histogram(name: string, labels?: MeterLabels): (value: number) => void;
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
