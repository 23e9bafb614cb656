import { createHash } from 'node:crypto';
import { publicKeyFromProtobuf } from '@libp2p/crypto/keys';
import type { PeerId, PublicKey } from '@libp2p/interface';
import { peerIdFromMultihash, peerIdFromPublicKey } from '@libp2p/peer-id';
import * as digests from 'multiformats/hashes/digest';
import type { MessageKeys } from '../ports.ts';
import { nodeKeys } from './nodeKeys.ts';
import type { WireMessage } from './wireMessage.ts';

/** Somebody whose messages were read. */
export interface Author {
  readonly id: string;
  readonly peerId: PeerId;
  readonly publicKey: PublicKey;
  /** The key as it must stand in a message that has one. */
  readonly keyBytes: Uint8Array;
  /** Never throws, never rejects. */
  readonly verify: (bytes: Uint8Array, signature: Uint8Array) => boolean | Promise<boolean>;
}

/** So many are kept: more than write in two minutes, the time for which messages are remembered. */
const maxAuthors = 4_096;

const identityCode = 0;
const sha256Code = 0x12;

/** The keys of authors, each read once: reading a secp256k1 key takes four times as long as verifying with it. */
export class Authors {
  readonly #keys: MessageKeys | undefined;
  readonly #known = new Map<string, Author>();

  readonly #limit: number;

  constructor(keys: MessageKeys | undefined, limit: number = maxAuthors) {
    this.#keys = keys;
    this.#limit = limit;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Who wrote a message by its own word, and how to prove it. `undefined` when it names nobody, or another's key. */
  of(authorKey: string, message: WireMessage): Author | undefined {
    const known = this.#known.get(authorKey);
    const author = known ?? this.#read(message);
    if (author === undefined) return undefined;
    const { key } = message;
    if (key !== undefined && Buffer.compare(key, author.keyBytes) !== 0) return undefined;
    if (known === undefined) this.#remember(authorKey, author);
    return author;
  }

  #remember(authorKey: string, author: Author): void {
    const [oldest] = this.#known.keys();
    if (this.#known.size >= this.#limit && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(authorKey, author);
  }

  #read({ from, key }: WireMessage): Author | undefined {
    if (from === undefined) return undefined;
    try {
      // Copies: what is kept for long must not keep the read that it came with.
      const digest = digests.decode(new Uint8Array(from));
      if (digest.code === identityCode) {
        const peerId = peerIdFromMultihash(digest);
        const { publicKey } = peerId;
        return publicKey === undefined ? undefined : this.#make(peerId, publicKey, digest.digest);
      }
      if (digest.code !== sha256Code || key === undefined) return undefined;
      const keyBytes = new Uint8Array(key);
      if (createHash('sha256').update(keyBytes).digest().compare(digest.digest) !== 0) return undefined;
      const publicKey = publicKeyFromProtobuf(keyBytes);
      return this.#make(peerIdFromPublicKey(publicKey), publicKey, keyBytes);
    } catch {
      return undefined;
    }
  }

  #make(peerId: PeerId, publicKey: PublicKey, keyBytes: Uint8Array): Author {
    const verify = this.#verifierOf(publicKey);
    return { id: peerId.toString(), peerId, publicKey, keyBytes, verify };
  }

  #verifierOf(key: PublicKey): Author['verify'] {
    const fast = this.#keys?.verifierOf(key) ?? nodeKeys.verifierOf(key);
    if (fast !== undefined) return fast;
    return (bytes, signature) => {
      try {
        const result = key.verify(bytes, signature);
        return typeof result === 'boolean' ? result : result.catch(() => false);
      } catch {
        return false;
      }
    };
  }
}
