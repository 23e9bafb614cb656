import { describe, expect, test } from 'vitest';
import { createOutbox, kibibyte, pattern } from '../../test/sessionProbes.ts';
import { costOfWriteBytes, noRoom, RelayAccount } from './relayRoom.ts';

describe('what a relay would cut', () => {
  test.each([
    [1_000, undefined, undefined],
    [1_000, 10_000, undefined],
    [1_000, 1_000, 'RELAY_LIMIT'],
    [1_000, 0, 'RELAY_LIMIT'],
    [10_000_000, 10_010_000, 'RELAY_LIMIT'],
    [10_000_000, 10_030_000, undefined],
  ])('of %i bytes where %s get through is told as %s', (bytes, left, code) => {
    expect(noRoom(bytes, left)?.code).toBe(code);
  });

  test('is told of in numbers that are none below nothing', () => {
    expect(noRoom(10, -5)?.message).toContain('lets 0 bytes');
  });
});

test('what was sent counts before the connection has counted it, and once it has, too', () => {
  const account = new RelayAccount();
  expect(account.spareOf(10_000, 500)).toBe(10_000);
  expect(account.spareOf(10_000, 3_500)).toBe(7_000);
  expect(account.spareOf(6_500, 3_500)).toBe(6_500);
  expect(account.spareOf(0, 3_500)).toBe(0);
});

test('the cost of a session is all that it was given, whether it has left or waits', () => {
  const { outbox, flow, near, run } = createOutbox();
  const first = flow();
  void first.send('chunk', pattern(1_000));
  expect(outbox.costBytes).toBe(1_008);
  run();
  expect(outbox.costBytes).toBe(1_008 + costOfWriteBytes);
  const second = flow();
  void second.send('chunk', pattern(200 * kibibyte));
  const waiting = flow();
  waiting.send('chunk', pattern(100 * kibibyte))?.catch(() => undefined);
  expect(outbox.costBytes).toBeGreaterThanOrEqual(1_008 + 300 * kibibyte);
  waiting.drop(new Error('not wanted any more'));
  expect(outbox.costBytes).toBeLessThan(202 * kibibyte);
  run();
  const written = near.writes.reduce((sum, bytes) => sum + bytes, 0);
  expect(outbox.costBytes).toBe(written + near.writes.length * costOfWriteBytes);
});
