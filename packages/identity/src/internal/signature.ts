import type { SignatureProblem } from '../errors.ts';

// Order of the curve, and the largest s that is not the mirror of a smaller one.
const order = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n;
const halfOrder = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex');

/**
 * Whether a signature is in the one form that is accepted: 65 bytes, s in the lower half, and 27 or 28 at the end
 * as in Ethereum's ecrecover. So nobody can turn one signature into a second one that also verifies.
 */
export function signatureProblem(signature: Uint8Array): SignatureProblem | undefined {
  if (signature.length !== 65) return 'length';
  if (signature[64] !== 27 && signature[64] !== 28) return 'recoveryId';
  return hasHighS(signature) ? 'highS' : undefined;
}

/** The accepted form of what a wallet returned: some give 0 or 1 at the end, some an s in the upper half. */
export function acceptedForm(signature: Uint8Array): Uint8Array {
  const accepted = Uint8Array.from(signature);
  const last = accepted[64];
  if (last === 0 || last === 1) accepted[64] = last + 27;
  if (accepted.length !== 65 || !hasHighS(accepted)) return accepted;
  const s = BigInt(`0x${Buffer.from(accepted.subarray(32, 64)).toString('hex')}`);
  if (s < order) {
    accepted.set(Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex'), 32);
    accepted[64] = 55 - (accepted[64] ?? 0);
  }
  return accepted;
}

/** The same signature with its recovery id as 0 or 1, as the curve wants it. */
export function withBareRecoveryId(signature: Uint8Array): Uint8Array {
  const bare = Buffer.from(signature);
  bare[64] = (bare[64] ?? 0) - 27;
  return bare;
}

function hasHighS(signature: Uint8Array): boolean {
  // Almost always the first byte decides.
  return (signature[32] ?? 0) >= 0x7f && Buffer.compare(signature.subarray(32, 64), halfOrder) > 0;
}
