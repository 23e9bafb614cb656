import type { Stream } from '@libp2p/interface';
import { streamPair } from '@libp2p/utils';
import { VirtualClock } from '@lloom/simkit';
import { beforeEach, describe, expect, it } from 'vitest';

import { joinStreams, type JoinedStreams } from '../src/adapters/joinStreams.ts';
import { until } from './circuitNodes.ts';

let clock: VirtualClock;
let one: Stream;
let other: Stream;
let near: [Stream, Stream];
let controller: AbortController;
let ends: number;
let failures: unknown[];
let counted: number;

/** What comes of a stream. */
const read = (stream: Stream): number[] => {
  const bytes: number[] = [];
  stream.addEventListener('message', ({ data }) => void bytes.push(...data.subarray()));
  return bytes;
};

const join = (maxBytes = 1_000): JoinedStreams =>
  joinStreams(near[0], near[1], {
    ...{ clock, maxBytes, maxMs: 60_000, signal: controller.signal },
    onBytes: (bytes) => void (counted += bytes),
    onEnd: () => void (ends += 1),
    onError: (error) => void failures.push(error),
  });

beforeEach(async () => {
  clock = new VirtualClock();
  controller = new AbortController();
  ends = 0;
  failures = [];
  counted = 0;
  const [[a, nearA], [b, nearB]] = await Promise.all([streamPair(), streamPair()]);
  [one, other] = [a, b];
  near = [nearA, nearB];
});

const told = ({ bytes, bytesLeft, isOver }: JoinedStreams) => ({ bytes, bytesLeft, isOver });

const isEnded = (): boolean => one.status !== 'open' && other.status !== 'open' && ends === 1;

describe('two streams that are joined', () => {
  it('hand on what came before, what comes, and the end of each side', async () => {
    one.send(Uint8Array.of(1, 2));
    const joined = join();
    const [atOne, atOther] = [read(one), read(other)];
    other.send(Uint8Array.of(3));
    await until(() => atOther.length === 2 && atOne.length === 1);
    await one.close();
    await until(() => other.readableEnded);
    other.send(Uint8Array.of(4));
    await until(() => atOne.length === 2);
    expect([atOne, atOther]).toEqual([
      [3, 4],
      [1, 2],
    ]);
    expect({ ends, counted, ...told(joined) }).toEqual({
      ...{ ends: 0, counted: 4, bytes: 4, bytesLeft: 998, isOver: false },
    });
    await other.close();
    await until(isEnded);
    expect(joined.isOver).toBe(true);
    expect({ pending: clock.pending, failures }).toEqual({ pending: 0, failures: [] });
  });

  it('carry as many bytes each way as they may, and end with one more', async () => {
    const joined = join(3);
    const [atOne, atOther] = [read(one), read(other)];
    one.send(Uint8Array.of(1, 2, 3));
    other.send(Uint8Array.of(1, 2, 3));
    await until(() => atOther.length === 3 && atOne.length === 3);
    expect(ends).toBe(0);
    one.send(Uint8Array.of(4));
    await until(isEnded);
    expect({ read: atOther.length, pending: clock.pending }).toEqual({ read: 3, pending: 0 });
    expect({ counted, bytesLeft: joined.bytesLeft }).toEqual({ counted: 6, bytesLeft: 0 });
  });

  it('end with their time', async () => {
    join();
    await clock.runFor(59_999);
    expect(ends).toBe(0);
    await clock.runFor(1);
    await until(isEnded);
  });

  it('end with the node, before or after they are joined', async () => {
    join();
    controller.abort();
    await until(isEnded);
    expect(clock.pending).toBe(0);
    const again = await Promise.all([streamPair(), streamPair()]);
    near = [again[0][1], again[1][1]];
    expect(join().isOver).toBe(true);
    expect(ends).toBe(2);
  });

  it('end together when one is reset', async () => {
    join();
    one.abort(new Error('gone'));
    await until(isEnded);
    expect(clock.pending).toBe(0);
  });
});
