/** What one signer has used, each nonce with the second in which it leaves. */
interface SignerNonces {
  readonly signer: string;
  readonly leaving: Map<string, number>;
}

/** Nonces that leave in the same second. */
interface Bucket {
  readonly signers: SignerNonces[];
  readonly nonces: string[];
  latestExpiryMs: number;
}

/** A nonce of a signer; bytes as text, one character each. */
export interface Nonce {
  readonly signer: string;
  readonly nonce: string;
}

/** A nonce with the end of its envelope. */
export interface UsedNonce extends Nonce {
  readonly expiresMs: number;
}

/**
 * Nonces by signer, leaving by time. Time here is monotonic: `leavesAt` and `elapsed` are ms from an arbitrary start.
 * Costs about 100 bytes a nonce.
 */
export class NonceTable {
  readonly #signers = new Map<string, SignerNonces>();
  readonly #buckets = new Map<number, Bucket>();
  #size = 0;
  #sweptUpTo = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#size;
  }

  sizeOf(signer: string): number {
    return this.#signers.get(signer)?.leaving.size ?? 0;
  }

  has({ signer, nonce }: Nonce): boolean {
    return this.#signers.get(signer)?.leaving.has(nonce) ?? false;
  }

  add({ signer, nonce, expiresMs }: UsedNonce, leavesAt: number): void {
    const second = Math.ceil(leavesAt / 1_000);
    let owner = this.#signers.get(signer);
    if (owner === undefined) this.#signers.set(signer, (owner = { signer, leaving: new Map() }));
    if (!owner.leaving.has(nonce)) this.#size += 1;
    owner.leaving.set(nonce, second);
    let bucket = this.#buckets.get(second);
    if (bucket === undefined) {
      this.#buckets.set(second, (bucket = { signers: [], nonces: [], latestExpiryMs: 0 }));
    }
    bucket.signers.push(owner);
    bucket.nonces.push(nonce);
    bucket.latestExpiryMs = Math.max(bucket.latestExpiryMs, expiresMs);
  }

  /** Takes back what was added. */
  remove({ signer, nonce }: Nonce): void {
    const owner = this.#signers.get(signer);
    if (owner?.leaving.delete(nonce) !== true) return;
    this.#size -= 1;
    if (owner.leaving.size === 0) this.#signers.delete(signer);
  }

  /** Lets go of what has left by now. Gives it, and the latest end of an envelope among it. */
  sweep(elapsed: number): { readonly gone: readonly Nonce[]; readonly latestExpiryMs: number } {
    const second = Math.floor(elapsed / 1_000);
    const gone: Nonce[] = [];
    let latestExpiryMs = 0;
    if (second <= this.#sweptUpTo) return { gone, latestExpiryMs };
    this.#sweptUpTo = second;
    for (const [due, bucket] of this.#buckets) {
      if (due > second) continue;
      this.#buckets.delete(due);
      latestExpiryMs = Math.max(latestExpiryMs, bucket.latestExpiryMs);
      for (const [index, owner] of bucket.signers.entries()) {
        const nonce = bucket.nonces[index] ?? '';
        // A nonce that was taken back and added again leaves with its later entry.
        if (owner.leaving.get(nonce) !== due) continue;
        this.remove({ signer: owner.signer, nonce });
        gone.push({ signer: owner.signer, nonce });
      }
    }
    return { gone, latestExpiryMs };
  }
}
