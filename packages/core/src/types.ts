/** Bytes as `0x` and lower-case hexadecimal digits. */
export type Hex = `0x${string}`;

/** An Ethereum address: `0x` and 40 hexadecimal digits. Compare in lower case. */
export type EvmAddress = Hex;

/** The address that stands for nobody in particular. */
export const zeroAddress: EvmAddress = '0x0000000000000000000000000000000000000000';

/** 32 zero bytes: stands for no digest. */
export const zeroDigest: Hex = '0x0000000000000000000000000000000000000000000000000000000000000000';
