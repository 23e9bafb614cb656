import { encodeSessionFrame, sessionFrame, type SessionFrame, type SessionFrameKind } from '@lloom/codec';
import type { SeededRandom } from '@lloom/simkit';
import { pattern } from './sessionProbes.ts';

/** A chooser that follows from a seed. */
export interface Chooser {
  /** A whole number from 0 to below `limit`. */
  readonly upTo: (limit: number) => number;
  readonly pick: <T>(list: readonly T[]) => T;
  /** Whether something of that likelihood happens. */
  readonly may: (likelihood: number) => boolean;
}

/** Choices by a seed. */
export function chooser({ float }: SeededRandom): Chooser {
  const upTo = (limit: number): number => Math.floor(float() * limit);
  return { upTo, pick: (list) => list[upTo(list.length)]!, may: (likelihood) => float() < likelihood };
}

const kinds = Object.values(sessionFrame);
const nothing = new Uint8Array(0);
const noise = pattern(10_000);

/** A frame of any kind, with a number that may be in use, and a payload that may fit. */
function foreignFrame({ pick, upTo, may }: Chooser): SessionFrame {
  const kind: SessionFrameKind = pick(kinds);
  const id = pick([1, 2, 3, 4, 5, 6, 100, 0xffff_ffff]);
  const more = may(0.3) && kind <= sessionFrame.body;
  switch (kind) {
    case sessionFrame.cancel:
      return { kind, id, more, payload: nothing };
    case sessionFrame.credit:
      return { kind, id, more, payload: Uint8Array.of(upTo(256), upTo(256), upTo(256), upTo(2)) };
    default:
      return {
        kind,
        id,
        more,
        payload: noise.subarray(upTo(100)).subarray(0, pick([0, 1, 5, 40, 300, 5_000])),
      };
  }
}

/** The same frames, some of them doubled, gone, in another place, of another request, or with a stranger between. */
function withOtherFrames(frames: readonly SessionFrame[], choose: Chooser): SessionFrame[] {
  const changed = [...frames];
  for (let left = choose.upTo(3); left >= 0; left--) {
    const [at, other] = [choose.upTo(changed.length), choose.upTo(changed.length)];
    const frame = changed[at];
    if (frame === undefined) continue;
    switch (choose.upTo(6)) {
      case 0:
        changed.splice(other, 0, frame);
        break;
      case 1:
        changed.splice(at, 1);
        break;
      case 2:
        changed.splice(at, 1);
        changed.splice(other, 0, frame);
        break;
      case 3:
        changed[at] = { ...frame, id: choose.pick([1, 2, 3, 4, 5, 77]) };
        break;
      case 4:
        changed[at] = { ...frame, more: !frame.more && frame.kind <= sessionFrame.body };
        break;
      default:
        changed.splice(at, 0, foreignFrame(choose));
    }
  }
  return changed;
}

/** The same bytes with some bits turned, bytes put in between, a part taken out, or the end cut off. */
function withOtherBytes(bytes: Uint8Array, { upTo, pick }: Chooser): Uint8Array {
  const at = upTo(bytes.length);
  switch (upTo(5)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([
        bytes.subarray(0, at),
        noise.subarray(upTo(100)).subarray(0, 1 + upTo(20)),
        bytes.subarray(at),
      ]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + upTo(20))]);
    default: {
      const copy = Uint8Array.from(bytes);
      // Headers and heads are at the front.
      const limit = pick([copy.length, Math.min(copy.length, 60)]);
      for (let left = limit === 0 ? 0 : 1 + upTo(3); left > 0; left--) copy[upTo(limit)]! ^= 1 << upTo(8);
      return copy;
    }
  }
}

/** The bytes of some frames as a peer might send them that has lost its mind, at most a fifth of them as they are. */
export function mutated(frames: readonly SessionFrame[], choose: Chooser): Uint8Array {
  const how = choose.upTo(10);
  const others = how < 2 || how > 6 ? frames : withOtherFrames(frames, choose);
  const bytes = Buffer.concat(others.map((frame) => encodeSessionFrame(frame)));
  return how > 5 ? withOtherBytes(bytes, choose) : bytes;
}

/** How the bytes of one conversation arrive: the first of them in small chunks, or all as they were written. */
export function chunking({ pick, upTo }: Chooser): () => number {
  const most = pick([1, 7, 64, Infinity, Infinity, Infinity]);
  let left = 300;
  return () => (most === Infinity || left-- < 0 ? Infinity : 1 + upTo(most));
}
