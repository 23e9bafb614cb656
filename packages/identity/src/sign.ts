import { completeLlmRequest, decodePayload, encodePayload, payloadTypeOf } from '@lloom/codec';
import type { LlmRequestInput, Payload, SignedMessage } from '@lloom/codec';
import { fromHex, toHex, type EvmAddress, type Hex, type Random, type Signer } from '@lloom/core';

import { selectBackend } from './adapters/backend.ts';
import { storedRandom } from './adapters/random.ts';
import { resolveSignConfig, resolveSignerConfig, type SignConfig, type SignerConfig } from './config.ts';
import { IdentityError } from './errors.ts';
import { addressOfKey, sameAddress } from './internal/addresses.ts';
import { hasherOf, typedDataOf, type EnvelopeTypedData } from './internal/eip712.ts';
import { sealDraft, type Seal } from './internal/seal.ts';
import { acceptedForm, signatureProblem, withBareRecoveryId } from './internal/signature.ts';
import { evmAddressOf } from './peerAddress.ts';
import type { DigestSigner, SigningPorts } from './ports.ts';
import type { Signable, SignedPayload } from './types.ts';

/** A viem account, or anything else that signs EIP-712 typed data with a key of its own. */
export interface Wallet {
  readonly address: EvmAddress;
  /** r, s and the recovery id of the typed data: 65 bytes. */
  signTypedData(parameters: EnvelopeTypedData): Promise<Hex>;
}

// Wallets of identities sign without the detour over typed data. Who holds the wallet can sign anyway.
const directSigners = new WeakMap<object, DigestSigner>();

/** Remembers that a wallet signs with this key. */
export function registerWallet(wallet: Wallet, key: DigestSigner): void {
  directSigners.set(wallet, key);
}

/**
 * Signs a payload, or a request in its short form, with a wallet.
 *
 * @param wallet a viem account, such as `identity.wallet`; what it returns is checked
 * @throws {IdentityError} `NO_ADDRESS` for a peer id without an EVM address; `MALFORMED`, or `BAD_SIGNATURE` when the
 *   wallet signed with another key or something else
 * @throws {AddressError} `INVALID_PEER_ID`
 * @throws {CodecError} `INVALID_FIELD` when the payload cannot be encoded
 * @throws {ConfigError} `INVALID_CONFIG`
 * @example
 * ```ts
 * const request = { model: 'demo-small', prompt: 'Hello' };
 * const message = await signMessage(request, privateKeyToAccount('0x…'), { to: executorPeerId });
 * ```
 */
export function signMessage<T extends Signable>(
  payload: T,
  wallet: Wallet,
  config?: SignConfig,
): Promise<SignedMessage<SignedPayload<T>>> {
  const key = directSigners.get(wallet);
  const seal = key === undefined ? sealOfWallet(wallet) : sealOfKey(key);
  return signPayload(payload, seal, { config: config ?? {}, ports: {} });
}

/** Signs a payload with a key or a wallet. */
export async function signPayload<T extends Signable>(
  input: Signable,
  seal: Seal,
  { config, ports }: { readonly config: SignConfig; readonly ports: SigningPorts },
): Promise<SignedMessage<SignedPayload<T>>> {
  const resolved = resolveSignConfig(config);
  const { inReplyTo } = resolved;
  const to = resolved.to === undefined ? undefined : audienceOf(resolved.to);
  const payload = isRequest(input) ? completeLlmRequest(input, uuid(ports.random ?? storedRandom)) : input;
  const payloadType = payloadTypeOf(payload);
  const payloadBytes = encodePayload(payloadType, payload);
  const draft = { payloadType, payloadBytes, ...(to && { to }), ...(inReplyTo && { inReplyTo }) };
  const hasher = hasherOf(selectBackend(resolved.crypto), resolved);
  const envelope = await sealDraft(draft, seal, { config: resolved, ports, hasher });
  // What the receiver will see, not what was passed: some values have several spellings.
  const decoded: Payload = decodePayload(payloadType, payloadBytes);
  return { ...envelope, payloadType, payload: decoded as SignedPayload<T> };
}

function audienceOf(to: string): EvmAddress {
  if (to.startsWith('0x')) return to as EvmAddress;
  const address = evmAddressOf(to);
  if (address === undefined) throw new IdentityError('NO_ADDRESS', { peerId: to });
  return address;
}

/**
 * A {@link Signer} for a key.
 * @throws {ConfigError} `INVALID_CONFIG`
 */
export function createSigner(key: DigestSigner, config: SignerConfig = {}, ports: SigningPorts = {}): Signer {
  const resolved = resolveSignerConfig(config);
  const hasher = hasherOf(selectBackend(resolved.crypto), resolved);
  const context = { config: resolved, ports, hasher };
  const seal = sealOfKey(key);
  return Object.freeze({
    address: key.address,
    sign: (draft) => sealDraft(draft, seal, context),
  } satisfies Signer);
}

/** A seal that signs with a key. */
export function sealOfKey(key: DigestSigner): Seal {
  return { address: key.address, sign: ({ digest, backend }) => key.signDigest(digest, backend) };
}

function sealOfWallet(wallet: Wallet): Seal {
  const { address } = wallet;
  return {
    address,
    async sign({ envelope, domain, payloadDigest, digest, backend }) {
      const signed = await wallet.signTypedData(typedDataOf(envelope, domain, toHex(payloadDigest)));
      const signature = acceptedForm(fromHex(signed));
      const problem = signatureProblem(signature);
      if (problem !== undefined)
        throw new IdentityError('BAD_SIGNATURE', { reason: problem, claimed: address });
      const publicKey = backend.recover(digest, withBareRecoveryId(signature));
      if (publicKey === undefined || !sameAddress(addressOfKey(publicKey, backend), address)) {
        throw new IdentityError('BAD_SIGNATURE', { reason: 'otherSigner', claimed: address });
      }
      return signature;
    },
  };
}

function isRequest(input: Signable): input is LlmRequestInput {
  return 'model' in input;
}

/** A UUID of version 4. */
function uuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return toHex(bytes)
    .slice(2)
    .replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
