import { readFileSync } from 'node:fs';

import type { SessionFrameKind } from '../../src/index.ts';
import type { ErrorShape } from './errors.ts';

interface MessageVector {
  readonly message: string;
  readonly title: string;
  readonly hex: string;
  /** Absent for those that decode to nothing, and for those that do not decode. */
  readonly value?: unknown;
  readonly error?: ErrorShape;
}

interface FramingVector {
  readonly title: string;
  readonly bytes: string;
  /** What comes out, before the error if there is one. */
  readonly messages?: readonly string[];
  readonly limitBytes?: number;
  readonly error?: ErrorShape;
}

interface SessionVector {
  readonly title: string;
  readonly bytes: string;
  /** What comes out, before the error if there is one. */
  readonly frames?: readonly SessionFrameVector[];
  /** Whether the bytes have more frames than come out. */
  readonly skips?: boolean;
  readonly error?: ErrorShape;
}

interface SessionFrameVector {
  readonly kind: SessionFrameKind;
  readonly id: number;
  readonly more: boolean;
  readonly payload: string;
}

export const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function read(name: string): unknown {
  const source = readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8');
  return JSON.parse(source, (key, value: unknown) =>
    key === 'payloadBytes' ? bytesOf((value as string).slice(2)) : value,
  );
}

/** An example of each message type and kind. Their bytes are final. */
export const golden = read('golden') as readonly MessageVector[];

/** Bytes that were read wrongly once, or that are easily read wrongly. */
export const regressions = read('regressions') as readonly MessageVector[];

/** Messages and their frames. */
export const framing = read('framing') as readonly FramingVector[];

/** Frames of a session. */
export const session = read('session') as readonly SessionVector[];
