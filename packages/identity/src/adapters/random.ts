import { systemRandom, type Random } from '@lloom/core';

const storeBytes = 4_096;

/**
 * The system's chance for nonces, asked for in large pieces: to ask for 4 KiB takes little longer than to ask for
 * 32 bytes. No byte is given out twice. Not for keys: what is not used yet lies in memory.
 */
export function createStoredRandom(source: Random): Random {
  let store: Uint8Array = new Uint8Array(0);
  let used = 0;
  return {
    bytes(length) {
      if (length > storeBytes / 8) return source.bytes(length);
      if (used + length > store.length) {
        store = source.bytes(storeBytes);
        used = 0;
      }
      used += length;
      return store.slice(used - length, used);
    },
    float: () => source.float(),
  };
}

/** The {@link systemRandom} for nonces and names. */
export const storedRandom: Random = createStoredRandom(systemRandom);
