import type { ICryptoInterface } from '@libp2p/noise';

/** ChaCha20-Poly1305 as Noise calls it: a tag of 16 bytes follows the text. */
export type Aead = Pick<ICryptoInterface, 'chaCha20Poly1305Encrypt' | 'chaCha20Poly1305Decrypt'>;

/** What a record is sealed from: the text, the nonce, what is authenticated beside it, and the key. */
export type SealInput = Parameters<Aead['chaCha20Poly1305Encrypt']>;

/** What a record is opened from: the sealed bytes, as above, and where the text may be put. */
export type OpenInput = Parameters<Aead['chaCha20Poly1305Decrypt']>;
