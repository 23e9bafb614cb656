import * as fc from 'fast-check';

import { CodecError, encodeFrame, FrameDecoder } from '../../src/index.ts';
import { formats, kinds, type Format } from './formats.ts';
import { randomFrom } from './random.ts';
import { hexOf } from './vectors.ts';

/** Messages in frames, read through a decoder with a small limit. */
const framed: Format = {
  encode: (value) => new Uint8Array(Buffer.concat((value as Uint8Array[]).map((part) => encodeFrame(part)))),
  decode: (bytes) => {
    const decoder = new FrameDecoder({ maxFrameBytes: 4_096 });
    const messages = [...decoder.push(bytes.subarray(0, 5)), ...decoder.push(bytes.subarray(5))];
    decoder.end();
    return messages;
  },
};

export interface Target extends Format {
  readonly title: string;
  readonly values: fc.Arbitrary<unknown>;
}

/** Everything that reads bytes of strangers. */
export const targets: readonly Target[] = [
  ...kinds.map(({ title, name, values }) => ({ title, values, ...formats[name] })),
  { title: 'DescriptorRequest', values: fc.constant(undefined), ...formats.DescriptorRequest },
  { title: 'frames', values: fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), ...framed },
];

type Random = () => number;

const below = (random: Random, limit: number): number => Math.floor(random() * limit);

/** Bytes that look like nothing. */
function noise(random: Random): Uint8Array {
  return Uint8Array.from({ length: below(random, 120) }, () => below(random, 256));
}

/** Bytes that look like fields: small tags of every wire type, with lengths that fit more often than not. */
function fields(random: Random, depth = 0): Uint8Array {
  const out: number[] = [];
  for (let count = below(random, 6); count > 0; count--) {
    const wireType = below(random, 6);
    out.push(((1 + below(random, 12)) << 3) | wireType);
    if (wireType === 0)
      for (let rest = below(random, 10); rest >= 0; rest--) out.push(below(random, 256) | (rest && 0x80));
    else if (wireType === 1) out.push(...noise(random).subarray(0, 8));
    else if (wireType === 2) {
      const inner = depth < 4 && random() < 0.7 ? fields(random, depth + 1) : noise(random).subarray(0, 100);
      out.push(random() < 0.95 ? inner.length & 0x7f : below(random, 256), ...inner.subarray(0, 127));
    } else if (wireType === 5) out.push(1, 2, 3, 4);
  }
  return Uint8Array.from(out);
}

export const randomBytes = (random: Random): Uint8Array => (random() < 0.5 ? noise(random) : fields(random));

/** A valid message with one to four things done to it. */
export function mutated(valid: readonly Uint8Array[], random: Random): Uint8Array {
  const pick = (): Uint8Array => valid[below(random, valid.length)] ?? new Uint8Array(0);
  let bytes = pick();
  for (let left = random() < 0.6 ? 1 : 1 + below(random, 4); left > 0; left--) {
    const at = below(random, bytes.length + 1);
    const end = at + below(random, 20);
    const other = pick();
    const insert = (part: Uint8Array, until: number): Uint8Array =>
      new Uint8Array(Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(until)]));
    const huge = Uint8Array.from([0xff, 0xff, 0xff, below(random, 256), below(random, 16)]);
    const flip = (): Uint8Array => insert(Uint8Array.of((bytes[at] ?? 0) ^ (1 << below(random, 8))), at + 1);
    const acts = [
      // Flips leave the structure whole most often, and so reach deepest.
      ...[flip, flip, flip, flip, flip],
      () => insert(Uint8Array.of(below(random, 256)), at + 1),
      () => insert(noise(random).subarray(0, 8), at),
      () => insert(new Uint8Array(0), end),
      () => bytes.subarray(0, at),
      () => insert(bytes.subarray(at, end), at),
      () => insert(other.subarray(below(random, other.length + 1)).subarray(0, 40), at),
      () => insert(huge, at + 1),
      () => insert(fields(random), at),
    ];
    bytes = acts[below(random, acts.length)]?.() ?? bytes;
  }
  return bytes;
}

export interface Tally {
  readonly taken: number;
  readonly refused: number;
}

/**
 * Feeds `count` byte strings to a target. Each is taken or refused with a CodecError; what is taken has bytes of its
 * own, which are taken again and stay what they are.
 */
export function fuzz(
  target: Target,
  make: (random: Random) => Uint8Array,
  run: { seed: number; count: number },
): Tally {
  const random = randomFrom(run.seed);
  let taken = 0;
  for (let index = 0; index < run.count; index++) {
    const bytes = make(random);
    try {
      if (isTaken(target, bytes)) taken += 1;
    } catch (cause) {
      const where = `${target.title}, seed ${run.seed}, input ${index}`;
      throw new Error(`${where}: ${hexOf(bytes)} ended in ${String(cause)}`, { cause });
    }
  }
  return { taken, refused: run.count - taken };
}

function isTaken({ encode, decode }: Target, bytes: Uint8Array): boolean {
  let value: unknown;
  try {
    value = decode(bytes);
  } catch (error) {
    if (CodecError.is(error)) return false;
    throw error;
  }
  const canonical = encode(value);
  if (Buffer.compare(encode(decode(canonical)), canonical) !== 0) throw new Error('its own bytes change');
  return true;
}

/** Bytes of values that a target knows. */
export const validBytes = ({ values, encode }: Target, seed: number): Uint8Array[] =>
  fc.sample(values, { seed, numRuns: 60 }).map((value) => encode(value));
