import type { Hex } from 'viem';

/** What the envelope of identity holds, for those who sign it with viem. */
export interface EnvelopeFields {
  readonly payloadDigest: Hex;
  readonly payloadType: string;
  readonly to: Hex;
  readonly inReplyTo: Hex;
  readonly timestampMs: bigint;
  readonly expiresMs: bigint;
  readonly nonce: Hex;
}

const types = {
  Envelope: [
    { name: 'payloadDigest', type: 'bytes32' },
    { name: 'payloadType', type: 'string' },
    { name: 'to', type: 'address' },
    { name: 'inReplyTo', type: 'bytes32' },
    { name: 'timestampMs', type: 'uint64' },
    { name: 'expiresMs', type: 'uint64' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const;

/** The typed data of an envelope, as EIP-712 libraries want it. */
export const typedDataOf = (message: EnvelopeFields) => ({
  domain: { name: 'Lloom', version: '1', chainId: 1 },
  types,
  primaryType: 'Envelope' as const,
  message,
});
