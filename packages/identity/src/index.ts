/**
 * One secp256k1 key as libp2p peer id and EVM wallet: signs and verifies the messages of Lloom, refuses what was
 * seen before, and keeps the key in a file.
 *
 * @packageDocumentation
 */
export { cryptoBackend } from './adapters/backend.ts';
export { verifyAnswer, type AnswerConfig } from './answer.ts';
export type { DomainConfig, ReplayGuardLimits, SignConfig, SignerConfig, VerifierConfig } from './config.ts';
export {
  IdentityError,
  type AnswerProblem,
  type IdentityErrorCode,
  type IdentityErrorData,
  type SignatureProblem,
} from './errors.ts';
export { Identity } from './identity.ts';
export type { EnvelopeTypedData } from './internal/eip712.ts';
export { messageKeys } from './messageKeys.ts';
export { evmAddressOf } from './peerAddress.ts';
export type { GuardedEnvelope, MessageKeys, ReplayGuard, SigningPorts, VerifyingPorts } from './ports.ts';
export {
  createReplayGuard,
  doubtNonces,
  type OpenReplayGuard,
  type ReplayGuardConfig,
} from './replayGuard.ts';
export { signMessage, type Wallet } from './sign.ts';
export type {
  AnswerShare,
  CryptoInfo,
  LoadConfig,
  SaveConfig,
  Signable,
  SignedPayload,
  VerifiedAnswer,
} from './types.ts';
export { createVerifier, verifySignedMessage, type VerifyConfig } from './verify.ts';
