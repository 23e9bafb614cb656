import type { Payload, SignedMessage } from '@lloom/codec';
import { fromHex, type Clock, type EvmAddress, type Hex, type Random } from '@lloom/core';
import { Identity } from '@lloom/identity';
import { VirtualClock } from '@lloom/simkit';

/** Who takes part in the vectors. */
export type Party = 'client' | 'executor';

/** A signed message of the vectors, and what it was made from. */
export interface EnvelopeVector {
  readonly name: string;
  readonly payload: object;
  readonly signedBy: string;
  readonly to: string;
  readonly inReplyTo: string;
  readonly timestampMs: number;
  readonly expiresMs: number;
  readonly nonce: string;
}

/** What both files of vectors have. */
export interface Vectors {
  readonly keys: Readonly<Record<Party, { readonly privateKey: string; readonly peerId: string }>>;
  readonly envelopes: readonly EnvelopeVector[];
}

/** One party, with nonces that are used one after the other. */
export function createIdentity(
  { keys }: Vectors,
  name: Party,
  { clock, nonces }: { readonly clock: Clock; readonly nonces: readonly string[] },
): Identity {
  let next = 0;
  const random: Random = {
    bytes: (length) => fromHex(nonces[next++ % nonces.length] as string).slice(0, length),
    float: () => 0,
  };
  return Identity.fromPrivateKey(keys[name].privateKey, { clock, random });
}

/** A clock that stands at a time of the vectors. */
export const clockAt = (startAtMs: number): VirtualClock => new VirtualClock({ startAtMs });

/** The signed messages of the vectors by their names, signed anew. */
export async function signEnvelopes(vectors: Vectors): Promise<Map<string, SignedMessage>> {
  const messages = new Map<string, SignedMessage>();
  for (const { name, payload, signedBy, nonce, ...vector } of vectors.envelopes) {
    const clock = clockAt(vector.timestampMs);
    const identity = createIdentity(vectors, signedBy as Party, { clock, nonces: [nonce] });
    const message = await identity.sign(payload as Payload, {
      to: vector.to as EvmAddress,
      inReplyTo: vector.inReplyTo as Hex,
      ttlMs: vector.expiresMs - vector.timestampMs,
    });
    messages.set(name, message);
  }
  return messages;
}

/** A value of the vectors, with the signed messages where their names stand. */
export function filled(value: unknown, messages: ReadonlyMap<string, SignedMessage>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('envelope' in value) return messages.get(value.envelope as string);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, filled(part, messages)]));
}
