import type { AnswerPart, AnswerSegment } from '@lloom/codec';
import { toHex, zeroDigest, type EvmAddress, type Hex, type SignedEnvelope } from '@lloom/core';

import { selectBackend } from './adapters/backend.ts';
import { resolveVerifierConfig, type DomainConfig } from './config.ts';
import { IdentityError, type AnswerProblem } from './errors.ts';
import { sameAddress } from './internal/addresses.ts';
import { hasherOf, type EnvelopeHasher } from './internal/eip712.ts';
import { breathe, proveSigner } from './internal/envelope.ts';
import { signedPayloadOf } from './internal/payload.ts';
import { evmAddressOf } from './peerAddress.ts';
import type { RunningKeccak } from './ports.ts';
import type { AnswerShare, VerifiedAnswer } from './types.ts';

// Others get their turn after so many parts, of which a signed one counts as many: about every 20 ms in JavaScript.
const workBetweenBreaths = 1_024;
const signatureWork = 64;

/** What a streamed answer is checked against. */
export interface AnswerConfig extends DomainConfig {
  /** Digest of the request's payload bytes. @default that of the first signed segment */
  readonly requestDigest?: Hex;
  /** The addresses that a segment may be meant for. @default not checked */
  readonly audience?: readonly EvmAddress[];
}

/**
 * Proves the signed parts of a streamed answer: who signed them, that each signature covers exactly the text and
 * tokens up to its part, that segments follow one another, that an executor which took over signed the text it
 * took over, and that all answer the same request. Text after an executor's last signature is allowed and counted
 * as unsigned. Times are not judged: each segment was fresh when it arrived, and the list is evidence for later.
 *
 * An executor that begins again, after a retry or a failover, counts its segments from 0 again and signs all text
 * before its new beginning as prefix.
 *
 * @param parts all parts that were shown, in order
 * @throws {IdentityError} `WRONG_ANSWER` with the first part that does not fit
 * @throws {ConfigError} `INVALID_CONFIG`
 * @example
 * ```ts
 * const { shares, unsignedTokens } = await verifyAnswer(parts, { requestDigest });
 * for (const { signer, totalCost } of shares) console.log(`${signer} asks for ${totalCost} wei`);
 * ```
 */
export async function verifyAnswer(
  parts: readonly AnswerPart[],
  config: AnswerConfig = {},
): Promise<VerifiedAnswer> {
  const { requestDigest, audience, ...rules } = config;
  const resolved = resolveVerifierConfig(rules);
  const backend = selectBackend(resolved.crypto);
  await backend.ready;
  const hasher = hasherOf(backend, resolved);
  const walk = new AnswerWalk(backend.startKeccak(), requestDigest?.toLowerCase(), audience);
  let work = 0;
  for (const [index, part] of parts.entries()) {
    try {
      walk.enter(part);
      if (part.signed !== undefined) walk.checkSegment(await proveSegment(part.signed, hasher));
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      throw new IdentityError('WRONG_ANSWER', { part: index, reason: error.reason }, { cause: error.cause });
    }
    work += part.signed === undefined ? 1 : signatureWork;
    if (work < workBetweenBreaths) continue;
    work = 0;
    await breathe();
  }
  return walk.result();
}

/** Leaves this file as `WRONG_ANSWER` with the number of its part. */
class Mismatch extends Error {
  readonly reason: AnswerProblem;

  constructor(reason: AnswerProblem, options: { cause?: unknown } = {}) {
    super(reason, options);
    this.reason = reason;
  }
}

/** A segment of which is known who signed it. */
interface ProvenSegment {
  readonly segment: AnswerSegment;
  readonly signer: EvmAddress;
  readonly envelope: SignedEnvelope;
}

async function proveSegment(envelope: SignedEnvelope, hasher: EnvelopeHasher): Promise<ProvenSegment> {
  if (envelope.payloadType !== 'AnswerSegment') throw new Mismatch('type');
  try {
    const signer = await proveSigner(envelope, hasher);
    return { signer, envelope, segment: signedPayloadOf('AnswerSegment', envelope) };
  } catch (cause) {
    if (!IdentityError.is(cause)) throw cause;
    throw new Mismatch('signature', { cause });
  }
}

/** A place between two parts: what lies before it. */
interface Boundary {
  readonly digest: Hex;
  readonly tokens: number;
  readonly bytes: number;
}

/** One stretch of segments that count from 0. */
interface Attempt {
  readonly prefixDigest: Hex;
  nextIndex: number;
  tokens: number;
  cost: bigint;
  isFinished: boolean;
}

/** What is known while walking through the parts. */
class AnswerWalk {
  readonly #digest: RunningKeccak;
  readonly #audience: readonly EvmAddress[] | undefined;
  readonly #shares = new Map<EvmAddress, { tokens: number; cost: bigint }>();
  readonly #encoder = new TextEncoder();
  #requestDigest: string | undefined;
  #executor: EvmAddress | undefined;
  #executorName = '';
  #attempt: Attempt | undefined;
  /** Where the next segment may have begun: after the last signature, or at any part since. */
  #boundaries: Boundary[] = [];
  #here: Boundary;
  #signedTokens = 0;
  #signedBytes = 0;

  constructor(digest: RunningKeccak, requestDigest: string | undefined, audience: AnswerConfig['audience']) {
    this.#digest = digest;
    this.#requestDigest = requestDigest;
    this.#audience = audience;
    this.#here = { digest: toHex(digest.digest()), tokens: 0, bytes: 0 };
  }

  /** Takes the text and tokens of the next part. */
  enter({ executor, text, tokens }: AnswerPart): void {
    if (typeof text !== 'string' || !text.isWellFormed()) throw new Mismatch('text');
    if (!Number.isSafeInteger(tokens) || tokens < 0) throw new Mismatch('tokens');
    if (executor !== this.#executorName) {
      const address = addressOfExecutor(executor);
      if (address === undefined || this.#executor === undefined || !sameAddress(address, this.#executor)) {
        this.#attempt = undefined;
        this.#boundaries = [];
      }
      this.#executor = address;
      this.#executorName = executor;
    }
    this.#boundaries.push(this.#here);
    const bytes = this.#encoder.encode(text);
    this.#digest.update(bytes);
    this.#here = {
      digest: toHex(this.#digest.digest()),
      tokens: this.#here.tokens + tokens,
      bytes: this.#here.bytes + bytes.length,
    };
  }

  /** Holds a proven segment against what was seen. */
  checkSegment(proven: ProvenSegment): void {
    const { segment, signer } = proven;
    if (this.#executor === undefined || !sameAddress(signer, this.#executor)) throw new Mismatch('executor');
    this.#checkAddressees(proven);
    if (segment.runningDigest !== this.#here.digest) throw new Mismatch('text');
    const start = this.#continue(segment) ?? this.#begin(segment);
    if (this.#here.tokens - start.tokens !== segment.tokens) throw new Mismatch('tokens');
    this.#count(proven, start);
  }

  result(): VerifiedAnswer {
    const shares: AnswerShare[] = [];
    for (const [signer, { tokens, cost }] of this.#shares) {
      shares.push({ signer, tokens, totalCost: cost.toString() });
    }
    return {
      signers: shares.map(({ signer }) => signer),
      shares,
      requestDigest: this.#requestDigest as Hex | undefined,
      signedTokens: this.#signedTokens,
      signedBytes: this.#signedBytes,
      unsignedTokens: this.#here.tokens - this.#signedTokens,
      unsignedBytes: this.#here.bytes - this.#signedBytes,
    };
  }

  #checkAddressees({ segment, envelope }: ProvenSegment): void {
    this.#requestDigest ??= segment.requestDigest;
    if (segment.requestDigest !== this.#requestDigest) throw new Mismatch('request');
    const reply = envelope.inReplyTo.toLowerCase();
    if (reply !== zeroDigest && reply !== this.#requestDigest) throw new Mismatch('request');
    const isMeant = this.#audience?.some((address) => sameAddress(address, envelope.to)) ?? true;
    if (!isMeant) throw new Mismatch('audience');
  }

  /** Where a segment begins that follows the one before; `undefined` when it does not. */
  #continue(segment: AnswerSegment): Boundary | undefined {
    const attempt = this.#attempt;
    if (attempt === undefined || segment.index === 0) return undefined;
    if (segment.index !== attempt.nextIndex) throw new Mismatch('index');
    if (segment.prefixDigest !== attempt.prefixDigest) throw new Mismatch('prefix');
    if (attempt.isFinished) throw new Mismatch('afterEnd');
    return this.#boundaries[0];
  }

  /** Where the first segment of an executor's stretch begins: where its prefix ends. */
  #begin(segment: AnswerSegment): Boundary {
    if (segment.index !== 0) throw new Mismatch('index');
    const candidates = this.#boundaries.filter(({ digest }) => digest === segment.prefixDigest);
    const fits = ({ tokens }: Boundary): boolean => this.#here.tokens - tokens === segment.tokens;
    const start = candidates.find(fits) ?? candidates[0];
    if (start === undefined) throw new Mismatch('prefix');
    this.#attempt = {
      prefixDigest: segment.prefixDigest,
      nextIndex: 0,
      tokens: 0,
      cost: 0n,
      isFinished: false,
    };
    return start;
  }

  #count({ segment, signer }: ProvenSegment, start: Boundary): void {
    const attempt = this.#attempt as Attempt;
    const cost = BigInt(segment.totalCost);
    if (attempt.tokens + segment.tokens !== segment.outboundTokens) throw new Mismatch('tokens');
    if (cost < attempt.cost) throw new Mismatch('cost');
    const share = this.#shares.get(signer) ?? { tokens: 0, cost: 0n };
    share.tokens += segment.tokens;
    share.cost += cost - attempt.cost;
    this.#shares.set(signer, share);
    attempt.nextIndex += 1;
    attempt.tokens = segment.outboundTokens;
    attempt.cost = cost;
    attempt.isFinished = segment.finishReason !== undefined;
    this.#signedTokens += segment.tokens;
    this.#signedBytes += this.#here.bytes - start.bytes;
    this.#boundaries = [];
  }
}

function addressOfExecutor(executor: string): EvmAddress | undefined {
  if (typeof executor !== 'string') return undefined;
  if (executor.startsWith('0x')) return executor as EvmAddress;
  try {
    return evmAddressOf(executor);
  } catch {
    return undefined;
  }
}
