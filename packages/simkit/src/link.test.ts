import { fc } from '@fast-check/vitest';
import { expect, test } from 'vitest';
import { ConfigError } from '@lloom/core';
import { passage, resolveLink, retransmissionMs, type Segment } from './link.ts';
import { seededRandom } from './random.ts';

const never = (): number => 0.999_999;
const segment = (fields: Partial<Segment> = {}): Segment => ({
  atMs: 1_000,
  bytes: 100,
  isFollowed: false,
  lineFreeAtMs: 0,
  lastArrivalMs: 0,
  ...fields,
});

/** Loses as often as told, then no more. */
const losing = (times: number) => {
  let left = times;
  return () => (left-- > 0 ? 0 : 0.999_999);
};

const links = fc.record({
  delayMs: fc.double({ min: 0, max: 500, noNaN: true }),
  jitterMs: fc.double({ min: 0, max: 100, noNaN: true }),
  lossRatio: fc.double({ min: 0, max: 0.9, noNaN: true }),
  bandwidthBytesPerSecond: fc.integer({ min: 1_000, max: 1e9 }),
});

test('a segment on a perfect link is there at once', () => {
  expect(passage(resolveLink(), segment(), never)).toEqual({
    sentAtMs: 1_000,
    leavesAtMs: 1_000,
    arrivesAtMs: 1_000,
    losses: 0,
  });
});

test('a delay and a full jitter add up', () => {
  const link = resolveLink({ delayMs: 50, jitterMs: 10 });
  expect(passage(link, segment(), () => 0.5).arrivesAtMs).toBe(1_055);
});

test('a lost segment that nothing follows waits for a timeout that doubles', () => {
  const link = resolveLink({ delayMs: 50, lossRatio: 0.5 });
  expect(retransmissionMs(link)).toBe(200);
  expect(passage(link, segment(), losing(1))).toMatchObject({ arrivesAtMs: 1_250, losses: 1 });
  expect(passage(link, segment(), losing(3))).toMatchObject({
    arrivesAtMs: 1_050 + 200 + 400 + 800,
    losses: 3,
  });
});

test('the timeout is never shorter than two round trips', () => {
  expect(retransmissionMs(resolveLink({ delayMs: 150 }))).toBe(600);
});

test('a lost segment that another one follows costs one round trip', () => {
  const link = resolveLink({ delayMs: 50, lossRatio: 0.5 });
  expect(passage(link, segment({ isFollowed: true }), losing(1)).arrivesAtMs).toBe(1_150);
});

test('a segment leaves when the line is free and all of its bytes have passed', () => {
  const link = resolveLink({ delayMs: 10, bandwidthBytesPerSecond: 1_000 });
  const way = passage(link, segment({ bytes: 960, lineFreeAtMs: 1_500 }), never);
  expect(way).toMatchObject({ leavesAtMs: 2_500, arrivesAtMs: 2_510 });
});

test('a segment overtakes none of the same connection', () => {
  const link = resolveLink({ delayMs: 10 });
  expect(passage(link, segment({ lastArrivalMs: 5_000 }), never).arrivesAtMs).toBe(5_000);
});

test('a segment never arrives before its delay, and the same chance gives the same passage', () => {
  const sizes = fc.integer({ min: 0, max: 1e6 });
  const property = fc.property(links, sizes, fc.integer(), (config, bytes, seed) => {
    const link = resolveLink(config);
    const one = passage(link, segment({ bytes }), seededRandom(seed).float);
    const other = passage(link, segment({ bytes }), seededRandom(seed).float);
    expect(one).toEqual(other);
    expect(one.arrivesAtMs).toBeGreaterThanOrEqual(1_000 + link.delayMs);
    expect(one.leavesAtMs).toBeGreaterThanOrEqual(1_000);
    expect(Number.isFinite(one.arrivesAtMs)).toBe(true);
  });
  fc.assert(property);
});

test('a stream of segments arrives in order', () => {
  const streams = fc.array(fc.integer({ min: 0, max: 1e5 }), { minLength: 1, maxLength: 50 });
  const property = fc.property(links, streams, fc.integer(), (config, sizes, seed) => {
    const link = resolveLink(config);
    const { float } = seededRandom(seed);
    let [lineFreeAtMs, lastArrivalMs] = [0, 0];
    for (const [index, bytes] of sizes.entries()) {
      const way = passage(link, segment({ atMs: index * 3, bytes, lineFreeAtMs, lastArrivalMs }), float);
      expect(way.arrivesAtMs).toBeGreaterThanOrEqual(lastArrivalMs);
      expect(way.leavesAtMs).toBeGreaterThanOrEqual(lineFreeAtMs);
      ({ leavesAtMs: lineFreeAtMs, arrivesAtMs: lastArrivalMs } = way);
    }
  });
  fc.assert(property);
});

test('the share of losses is the one that was asked for', () => {
  const link = resolveLink({ lossRatio: 0.05 });
  const { float } = seededRandom(1);
  const lost = Array.from({ length: 20_000 }, () => passage(link, segment(), float)).filter(
    ({ losses }) => losses > 0,
  ).length;
  expect(lost / 20_000).toBeCloseTo(0.05, 2);
});

test('a link that cannot be is refused, with every reason', () => {
  const wrong = { delayMs: -1, lossRatio: 1, jitterMs: Number.NaN, latency: 3 };
  expect(() => resolveLink(wrong)).toThrow(ConfigError);
  expect(() => resolveLink(wrong)).toThrow(/delayMs.*0 to 86400000 ms.*|latency/);
});

test('a changed link keeps what is not mentioned', () => {
  const link = resolveLink({ lossRatio: 0.2 }, resolveLink({ delayMs: 70 }));
  expect(link).toMatchObject({ delayMs: 70, lossRatio: 0.2 });
});

test('what a host sends leaves through its upload line first, whoever it is for', () => {
  const link = resolveLink({ delayMs: 10, bandwidthBytesPerSecond: 2_000 });
  const upload = { bytesPerSecond: 1_000, freeAtMs: 1_500 };
  expect(passage(link, segment({ bytes: 960, upload }), never)).toEqual({
    sentAtMs: 2_500,
    leavesAtMs: 3_000,
    arrivesAtMs: 3_010,
    losses: 0,
  });
});

test('no host sends more than its upload line holds, and no segment is earlier than every line on its way', () => {
  const sizes = fc.array(fc.record({ bytes: fc.integer({ min: 0, max: 1e5 }), to: fc.nat(2) }), {
    minLength: 1,
  });
  const property = fc.property(
    links,
    sizes,
    fc.integer({ min: 1_000, max: 1e7 }),
    (config, sent, bytesPerSecond) => {
      const link = resolveLink(config);
      const { float } = seededRandom(1);
      const [lineFreeAtMs, lastArrivalMs] = [
        [0, 0, 0],
        [0, 0, 0],
      ];
      let upload = { bytesPerSecond, freeAtMs: 0 };
      let total = 0;
      for (const [index, { bytes, to }] of sent.entries()) {
        const given = {
          atMs: index,
          bytes,
          upload,
          lineFreeAtMs: lineFreeAtMs[to]!,
          lastArrivalMs: lastArrivalMs[to]!,
        };
        const way = passage(link, segment(given), float);
        total += bytes;
        expect(way.sentAtMs).toBeGreaterThanOrEqual(Math.max(index, upload.freeAtMs));
        expect(way.sentAtMs).toBeGreaterThanOrEqual((total / bytesPerSecond) * 1_000);
        expect(way.leavesAtMs).toBeGreaterThanOrEqual(way.sentAtMs);
        expect(way.arrivesAtMs).toBeGreaterThanOrEqual(
          Math.max(way.leavesAtMs + link.delayMs, lastArrivalMs[to]!),
        );
        upload = { bytesPerSecond, freeAtMs: way.sentAtMs };
        [lineFreeAtMs[to], lastArrivalMs[to]] = [way.leavesAtMs, way.arrivesAtMs];
      }
    },
  );
  fc.assert(property);
});

/** How long the runs of lost segments are, of so many segments. */
function burstsOf(config: { lossRatio: number; lossBurstSegments?: number }, count: number): number[] {
  const link = resolveLink(config);
  const { float } = seededRandom(1);
  const bursts: number[] = [];
  let isAfterLoss = false;
  for (let index = 0; index < count; index += 1) {
    const isLost: boolean = passage(link, segment({ isAfterLoss }), float).losses > 0;
    if (isLost && isAfterLoss) bursts[bursts.length - 1]! += 1;
    else if (isLost) bursts.push(1);
    isAfterLoss = isLost;
  }
  return bursts;
}

test.each([
  [0.02, 1, 1.02],
  [0.02, 8, 8],
  [0.3, 4, 4],
  [0.5, 1.5, 2],
])('of segments with losses %d in bursts of %d, as many are lost, in bursts of %d', (ratio, mean, wanted) => {
  const bursts = burstsOf({ lossRatio: ratio, lossBurstSegments: mean }, 60_000);
  const lost = bursts.reduce((sum, length) => sum + length, 0);
  expect(Math.abs(lost / 60_000 / ratio - 1)).toBeLessThan(0.1);
  expect(Math.abs(lost / bursts.length / wanted - 1)).toBeLessThan(0.1);
});

test('a burst of one is the same chance as ever', () => {
  expect(burstsOf({ lossRatio: 0.1, lossBurstSegments: 1 }, 1_000)).toEqual(
    burstsOf({ lossRatio: 0.1 }, 1_000),
  );
});

test('what is sent again in a burst is on its own, so that no burst stops a connection for long', () => {
  const link = resolveLink({ lossRatio: 0.01, lossBurstSegments: 1_000 });
  const { float } = seededRandom(1);
  const tries = Array.from(
    { length: 2_000 },
    () => passage(link, segment({ isAfterLoss: true }), float).losses,
  );
  expect(Math.max(...tries)).toBeLessThan(5);
});
