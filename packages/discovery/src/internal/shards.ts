import { fnv1a } from './fnv1a.ts';

/** Parts into which the providers of a key are divided beside the key itself. */
export const shardCount = 16;

/**
 * The part to which a provider belongs: FNV-1a of its peer id, 32 bits, of which the lowest four count. Each node knows
 * it of any other.
 */
export function shardOf(peerId: string): number {
  return fnv1a(peerId) & (shardCount - 1);
}

/** The key of a part: `lloom/executor` has `lloom/shard/0/executor` to `lloom/shard/15/executor`. */
export function shardKey(key: string, shard: number): string {
  return `lloom/shard/${shard}/${key.slice('lloom/'.length)}`;
}

/** The keys of all parts, beginning with any: nodes that look at the same time do not all ask for the same part. */
export function shardKeys(key: string, chance: number): string[] {
  const first = Math.floor(chance * shardCount);
  return Array.from({ length: shardCount }, (_, at) => shardKey(key, (first + at) % shardCount));
}
