import type { AnswerPart, PayloadType, SignedMessage } from '@lloom/codec';
import {
  systemClock,
  toHex,
  type Clock,
  type EnvelopeExpectation,
  type EvmAddress,
  type SignedEnvelope,
  type Verifier,
} from '@lloom/core';

import { selectBackend } from './adapters/backend.ts';
import { verifyAnswer, type AnswerConfig } from './answer.ts';
import { resolveVerifierConfig, type ResolvedVerifierConfig, type VerifierConfig } from './config.ts';
import { IdentityError } from './errors.ts';
import { sameAddress } from './internal/addresses.ts';
import { hasherOf, type EnvelopeHasher } from './internal/eip712.ts';
import { proveSigner } from './internal/envelope.ts';
import { signedPayloadOf } from './internal/payload.ts';
import { turns } from './internal/turns.ts';
import { evmAddressOf } from './peerAddress.ts';
import type { ReplayGuard, VerifyingPorts } from './ports.ts';
import { memoryGuard } from './replayGuard.ts';
import type { VerifiedAnswer } from './types.ts';

/** What {@link verifySignedMessage} accepts and expects. An absent expectation is not checked. */
export interface VerifyConfig extends VerifierConfig, Omit<EnvelopeExpectation, 'once'> {
  /** Refuses a nonce that it has seen. @default none: the same message verifies again and again */
  readonly replayGuard?: ReplayGuard;
  /** @default the system's clock */
  readonly clock?: Clock;
}

/**
 * Proves who signed a message, that it is fresh, that its payload is what was signed, and whatever else the
 * configuration expects. Given the parts of a streamed answer, it does what {@link verifyAnswer} does.
 *
 * Checks run in this order: signature, signer, payload, time, audience, type, reply, nonce. So `EXPIRED` or
 * `WRONG_AUDIENCE` is only ever said of a message whose signature is good.
 *
 * @returns the signer's address, in mixed case
 * @throws {IdentityError} `MALFORMED`, `BAD_SIGNATURE`, `WRONG_SIGNER`, `PAYLOAD_MISMATCH`, `LIFETIME_TOO_LONG`,
 * `NOT_YET_VALID`, `EXPIRED`, `WRONG_AUDIENCE`, `WRONG_TYPE`, `WRONG_REPLY`, or what the replay guard throws
 * @throws {ConfigError} `INVALID_CONFIG`
 * @example
 * ```ts
 * const { signer } = await verifySignedMessage(message, { audience: [identity.evmAddress] });
 * ```
 */
export function verifySignedMessage(
  message: SignedMessage,
  config?: VerifyConfig,
): Promise<{ readonly signer: EvmAddress }>;
export function verifySignedMessage(
  parts: readonly AnswerPart[],
  config?: AnswerConfig,
): Promise<VerifiedAnswer>;
export async function verifySignedMessage(
  message: SignedMessage | readonly AnswerPart[],
  config: VerifyConfig & AnswerConfig = {},
): Promise<{ readonly signer: EvmAddress } | VerifiedAnswer> {
  if (isParts(message)) return verifyAnswer(message, config);
  const { payloadType, signer, audience, inReplyTo, replayGuard, clock, ...rules } = config;
  const resolved = resolveVerifierConfig(rules);
  const context: Context = {
    config: resolved,
    clock: clock ?? systemClock,
    hasher: hasherOf(selectBackend(resolved.crypto), resolved),
    ...(replayGuard && { replayGuard }),
  };
  const expectation: EnvelopeExpectation = {
    ...(payloadType !== undefined && { payloadType }),
    ...(signer !== undefined && { signer }),
    ...(audience !== undefined && { audience }),
    ...(inReplyTo !== undefined && { inReplyTo }),
    once: replayGuard !== undefined,
  };
  return verifyEnvelope(message, expectation, context);
}

/**
 * A {@link Verifier}: what the other packages check envelopes with. It needs no key. `Identity.verifier` makes the
 * same.
 *
 * @throws {ConfigError} `INVALID_CONFIG`
 * @example
 * ```ts
 * const verifier = createVerifier({}, { replayGuard: await createReplayGuard({ datastore }) });
 * const { signer } = await verifier.verify(envelope, { audience: [me], once: true });
 * ```
 */
export function createVerifier(config: VerifierConfig = {}, ports: VerifyingPorts = {}): Verifier {
  const resolved = resolveVerifierConfig(config);
  const clock = ports.clock ?? systemClock;
  const backend = selectBackend(resolved.crypto);
  const context: Context = {
    config: resolved,
    clock,
    hasher: hasherOf(backend, resolved),
    replayGuard: ports.replayGuard ?? memoryGuard({ clock }),
  };
  return Object.freeze({
    verify: (envelope, expectation) => verifyEnvelope(envelope, expectation, context),
    digest: (bytes) => toHex(backend.keccak256(bytes)),
    startDigest() {
      const running = backend.startKeccak();
      return { update: (bytes) => running.update(bytes), digest: () => toHex(running.digest()) };
    },
    addressOf: evmAddressOf,
  } satisfies Verifier);
}

interface Context {
  readonly config: ResolvedVerifierConfig;
  readonly clock: Clock;
  /** The hasher of the configured domain. */
  readonly hasher: EnvelopeHasher;
  readonly replayGuard?: ReplayGuard;
}

async function verifyEnvelope(
  envelope: SignedEnvelope,
  expectation: EnvelopeExpectation,
  { config, clock, hasher, replayGuard }: Context,
): Promise<{ readonly signer: EvmAddress }> {
  if (!hasher.backend.isReady) await hasher.backend.ready;
  const turn = turns.take(hasher.backend.curve);
  if (turn !== undefined) await turn;
  const proving = proveSigner(envelope, hasher);
  const signer = proving instanceof Promise ? await proving : proving;
  if (expectation.signer !== undefined && !sameAddress(signer, expectation.signer)) {
    throw new IdentityError('WRONG_SIGNER', { got: signer, wanted: expectation.signer });
  }
  if ('payload' in envelope) signedPayloadOf(envelope.payloadType as PayloadType, envelope);
  checkTime(envelope, config, clock.now());
  checkExpectation(envelope, expectation);
  const { once } = expectation;
  if (typeof once === 'function' ? once({ signer }) : once) await replayGuard?.admit(envelope);
  return { signer };
}

function checkTime(envelope: SignedEnvelope, config: ResolvedVerifierConfig, nowMs: number): void {
  const { timestampMs, expiresMs } = envelope;
  const lifetimeMs = expiresMs - timestampMs;
  if (lifetimeMs > config.maxLifetimeMs) {
    throw new IdentityError('LIFETIME_TOO_LONG', { lifetimeMs, limitMs: config.maxLifetimeMs });
  }
  const aheadMs = timestampMs - nowMs;
  if (aheadMs > config.maxClockSkewMs) {
    throw new IdentityError('NOT_YET_VALID', {
      timestampMs,
      nowMs,
      aheadMs,
      allowedMs: config.maxClockSkewMs,
    });
  }
  if (nowMs >= expiresMs) {
    throw new IdentityError('EXPIRED', { expiresMs, nowMs, lateMs: nowMs - expiresMs });
  }
}

function checkExpectation(envelope: SignedEnvelope, expectation: EnvelopeExpectation): void {
  const { audience, payloadType, inReplyTo } = expectation;
  if (audience !== undefined && !audience.some((address) => sameAddress(address, envelope.to))) {
    throw new IdentityError('WRONG_AUDIENCE', { got: envelope.to, wanted: audience });
  }
  if (payloadType !== undefined && payloadType !== envelope.payloadType) {
    throw new IdentityError('WRONG_TYPE', { got: envelope.payloadType.slice(0, 64), wanted: payloadType });
  }
  if (inReplyTo !== undefined && inReplyTo.toLowerCase() !== envelope.inReplyTo.toLowerCase()) {
    throw new IdentityError('WRONG_REPLY', { got: envelope.inReplyTo, wanted: inReplyTo });
  }
}

function isParts(message: SignedMessage | readonly AnswerPart[]): message is readonly AnswerPart[] {
  return Array.isArray(message);
}
