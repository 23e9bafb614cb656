import { sessionFrame } from '@lloom/codec';
import { seededRandom } from '@lloom/simkit';
import { describe, expect, test } from 'vitest';
import { createOutbox, kibibyte, mebibyte, pattern, stateOf } from '../../test/sessionProbes.ts';

const pieceBytes = 64 * kibibyte - 64;
const plenty = 2 ** 40;

describe('what is written in one turn', () => {
  test('leaves as one write, in order, whoever wrote it', () => {
    const { outbox, flow, near, far, run, arrived } = createOutbox();
    const flows = Array.from({ length: 50 }, () => flow());
    for (const each of flows) expect(each.send('chunk', pattern(100))).toBeUndefined();
    outbox.write(sessionFrame.cancel, 7);
    expect([near.writes, far.deliveredBytes]).toEqual([[], 0]);
    run();
    expect(near.writes).toEqual([50 * 108 + 8]);
    expect(arrived()).toEqual([...flows.map((_, index) => `${index + 1} body 100`), '7 cancel 0']);
  });

  test('leaves in parts of some 32 KiB when it is much, so that the peer need not wait for all of it', () => {
    const { flow, near, run, arrived } = createOutbox();
    for (let count = 0; count < 100; count++) void flow().send('end', pattern(2_000));
    const early = [...near.writes];
    run();
    expect(early).toHaveLength(5);
    for (const size of near.writes) expect(size).toBeLessThan(36 * kibibyte);
    expect(arrived()).toHaveLength(100);
  });

  test('is not changed by what is written later, however long the network holds it', () => {
    const { flow, near, frames } = createOutbox();
    const random = seededRandom('slabs');
    const sent: Uint8Array[] = [];
    const only = flow();
    for (let turn = 0; turn < 200; turn++) {
      for (let count = 0; count < 3; count++) {
        sent.push(pattern(Math.floor(random.float() ** 4 * 60_000), turn + count));
        void only.send('chunk', sent.at(-1)!);
      }
      near.turn();
    }
    while (near.deliver());
    const whole = Buffer.concat(frames().map(({ payload }) => payload));
    expect(Buffer.compare(whole, Buffer.concat(sent))).toBe(0);
  });

  test('arrives byte for byte, small and large in any order', () => {
    const { flow, run, frames } = createOutbox();
    const random = seededRandom('bytes');
    const sent: Uint8Array[] = [];
    const only = flow();
    for (let turn = 0; turn < 50; turn++) {
      for (let count = 0; count < 3; count++) {
        sent.push(pattern(Math.floor(random.float() ** 3 * 300_000), turn * 3 + count));
        void only.send('chunk', sent.at(-1)!);
      }
      run();
    }
    const whole = Buffer.concat(frames().map(({ payload }) => payload));
    expect(Buffer.compare(whole, Buffer.concat(sent))).toBe(0);
    const ends = frames().filter(({ more }) => !more);
    expect(ends).toHaveLength(sent.length);
  });
});

describe('large messages', () => {
  test('take turns piece by piece', () => {
    const { flow, run, frames } = createOutbox();
    for (let count = 0; count < 3; count++) void flow().send('end', pattern(5 * pieceBytes));
    run();
    expect(frames().map(({ id }) => id)).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
    expect(frames().map(({ kind }) => kind)).toEqual([
      ...Array.from({ length: 12 }, () => sessionFrame.body),
      ...Array.from({ length: 3 }, () => sessionFrame.end),
    ]);
  });

  test('leave four pieces in each turn, each in a write of its own', () => {
    const { flow, near } = createOutbox();
    void flow().send('end', pattern(20 * pieceBytes));
    const writes: number[] = [];
    for (let before = 0; near.turn(); before = near.writes.length) writes.push(near.writes.length - before);
    expect(writes).toEqual([4, 4, 4, 4, 4]);
    expect(new Set(near.writes)).toEqual(new Set([pieceBytes + 8]));
  });

  test('do not keep a small message waiting for more than 256 KiB, whenever it comes', () => {
    const { flow, near, far, arrived } = createOutbox();
    void flow().send('end', pattern(10 * mebibyte));
    const behind: number[] = [];
    for (let turn = 0; near.turn(); turn++) {
      const handedOver = near.deliveredBytes + near.queuedBytes;
      void flow().send('end', pattern(10));
      near.turn();
      behind.push(near.writes.at(-1)!);
      near.deliver();
      const [id] = arrived().at(-1)!.split(' ');
      expect(Number(id)).toBeLessThanOrEqual(turn + 2);
      expect(near.deliveredBytes - handedOver).toBeLessThanOrEqual(256 * kibibyte + 5 * 8 + 18);
    }
    expect(far.thrown).toEqual([]);
    expect(Math.max(...behind)).toBeLessThanOrEqual(256 * kibibyte + 5 * 8 + 18);
  });

  test('wait for the end of a turn, however many small ones there are in it', () => {
    const { flow, near, run, arrived } = createOutbox();
    void flow().send('end', pattern(mebibyte));
    for (let count = 0; count < 200; count++) void flow().send('end', pattern(kibibyte));
    run();
    const kinds = arrived().map((frame) => frame.split(' ').slice(1).join(' '));
    expect(kinds.slice(0, 200)).toEqual(Array.from({ length: 200 }, () => `end ${kibibyte}`));
    expect(near.writes[0]).toBeLessThan(36 * kibibyte);
  });

  test('begin behind what is written before their turn: their numbers rise on the wire', () => {
    const { flow, run, arrived } = createOutbox();
    const random = seededRandom('numbers');
    for (let turn = 0; turn < 20; turn++) {
      for (let count = 0; count < 5; count++)
        void flow().send('request', pattern(random.float() < 0.5 ? 10 : 100_000), pattern(5));
      run();
    }
    const opens = arrived().filter((frame) => frame.includes('open'));
    expect(opens.map((frame) => Number(frame.split(' ')[0]))).toEqual(opens.map((_, index) => index + 1));
    expect(opens).toHaveLength(100);
  });
});

describe('credit', () => {
  test('ends at 256 KiB, and what is granted is used to the byte', async () => {
    const { flow, run, near, frames } = createOutbox();
    const only = flow(0);
    const written = only.send('end', pattern(mebibyte));
    run();
    const payload = (): number => frames().reduce((sum, frame) => sum + frame.payload.length, 0);
    expect(payload()).toBe(256 * kibibyte);
    only.grant(1);
    run();
    expect(payload()).toBe(256 * kibibyte + 1);
    expect(await stateOf(written)).toBe('waits');
    only.grant(768 * kibibyte - 1);
    run();
    expect([payload(), await stateOf(written)]).toEqual([mebibyte, 'written']);
    expect(near.hasWork).toBe(false);
  });

  test('of one request does not stop another', () => {
    const { flow, run, arrived } = createOutbox();
    void flow(0).send('end', pattern(mebibyte));
    run();
    expect(flow(0).send('end', pattern(10))).toBeUndefined();
    run();
    expect(arrived().at(-1)).toBe('2 end 10');
  });

  test('is not needed for a message without bytes, nor for what stands before a message', () => {
    const { flow, run, arrived } = createOutbox();
    const only = flow(0);
    void only.send('chunk', pattern(256 * kibibyte - 10));
    run();
    void only.send('chunk', pattern(10));
    expect(only.send('end', new Uint8Array(0))).toBeUndefined();
    run();
    expect(arrived().at(-1)).toBe('1 end 0');
    const open = flow(0);
    void open.send('request', pattern(256 * kibibyte), pattern(100));
    run();
    expect(arrived().at(-1)).toBe('2 end 356');
  });

  test('that is beyond what can be counted breaks nothing', () => {
    const { flow, run, frames } = createOutbox();
    const only = flow(0);
    for (let count = 0; count < 10; count++) only.grant(Number.MAX_SAFE_INTEGER);
    void only.send('end', pattern(mebibyte));
    run();
    expect(frames().at(-1)).toMatchObject({ kind: sessionFrame.end, more: false });
  });
});

describe('a message', () => {
  test('keeps its place behind those before it of the same request', () => {
    const { flow, run, arrived } = createOutbox();
    const only = flow(0);
    void only.send('chunk', pattern(300 * kibibyte));
    for (const size of [0, 10, 70_000]) void only.send('chunk', pattern(size));
    void only.send('end', pattern(1));
    run();
    only.grant(plenty);
    run();
    expect(arrived()).toEqual([
      ...Array.from({ length: 4 }, () => `1 body+ ${pieceBytes}`),
      '1 body+ 256',
      `1 body ${44 * kibibyte}`,
      '1 body 0',
      '1 body 10',
      `1 body+ ${pieceBytes}`,
      `1 body ${70_000 - pieceBytes}`,
      '1 end 1',
    ]);
  });

  test.each([
    ['fits with its head', 60_000, ['1 open 65000']],
    ['fits without its head', pieceBytes, [`1 open+ ${pieceBytes}`, '1 end 5000']],
    ['does not fit', pieceBytes + 1_000, [`1 open+ ${pieceBytes}`, '1 end 6000']],
    ['is empty', 0, ['1 open 5000']],
  ])('that %s begins with its head', (_, size, expected) => {
    const { flow, run, arrived, frames } = createOutbox();
    const only = flow();
    void only.send('request', pattern(size, 2), pattern(5_000, 1));
    run();
    expect(arrived()).toEqual(expected);
    const whole = Buffer.concat(frames().map(({ payload }) => payload));
    expect(Buffer.compare(whole, Buffer.concat([pattern(5_000, 1), pattern(size, 2)]))).toBe(0);
  });
});

describe('a network that takes no more', () => {
  test('is given no more messages, and goes on in order when it takes again', async () => {
    const { flow, outbox, near, arrived } = createOutbox({ capacityBytes: 100_000 });
    const large = flow();
    const first = large.send('end', pattern(mebibyte));
    near.turn();
    expect([outbox.isBlocked, near.queuedBytes]).toEqual([true, 2 * (pieceBytes + 8)]);
    const small = [flow(), flow()].map((each, index) => each.send('end', pattern(10 + index)));
    while (near.turn());
    expect([await stateOf(small[0]), near.queuedBytes]).toEqual(['waits', 2 * (pieceBytes + 8)]);
    while (near.deliver() || near.turn());
    expect([await stateOf(first), await stateOf(small[1]), outbox.isEmpty]).toEqual([
      'written',
      'written',
      true,
    ]);
    expect(arrived().slice(2, 5)).toEqual([`1 body+ ${pieceBytes}`, '2 end 10', '3 end 11']);
  });

  test('is still given what is no message, so that nothing waits for itself', () => {
    const { flow, outbox, near, run, arrived } = createOutbox({ capacityBytes: 1 });
    void flow().send('end', pattern(10));
    near.turn();
    outbox.write(sessionFrame.credit, 1, { payload: pattern(4) });
    near.turn();
    expect(near.writes).toEqual([18, 12]);
    run();
    expect(arrived()).toEqual(['1 end 10', '1 credit 4']);
  });

  test('is not read while more than 256 KiB waits for it, and read again afterwards', () => {
    const { outbox, near, run } = createOutbox({ capacityBytes: 1 });
    const error = pattern(1_000);
    const write = (): void => outbox.write(sessionFrame.error, 1, { payload: error });
    write();
    near.turn();
    let count = 0;
    for (; !near.isPaused; count++) write();
    expect(count).toBe(Math.floor((256 * kibibyte) / 1_008) + 1);
    near.turn();
    expect(near.isPaused).toBe(true);
    run();
    expect(near.isPaused).toBe(false);
    for (let again = 1; !near.isPaused; again++) {
      write();
      if (again === 1) near.turn();
    }
    run();
    expect(near.isPaused).toBe(false);
  });

  test('holds nothing of requests that are given up meanwhile', async () => {
    const { flow, outbox, near } = createOutbox({ capacityBytes: 1 });
    void flow().send('end', pattern(10));
    near.turn();
    const sent: (Promise<void> | undefined)[] = [];
    for (let count = 0; count < 1_000; count++) {
      const each = flow();
      sent.push(each.send('request', pattern(10)), each.send('end', pattern(10)));
      each.drop(new Error('given up'));
      each.drop(new Error('and again'));
      each.grant(100);
    }
    const states = await Promise.all(sent.map((each) => stateOf(each)));
    expect(states).toHaveLength(2_000);
    expect(new Set(states)).toEqual(new Set(['given up']));
    near.turn();
    expect(outbox.isEmpty).toBe(true);
  });
});

describe('a request that is given up', () => {
  test('in the middle of a message leaves the rest of it out, and the others in their order', async () => {
    const { flow, near, run, arrived } = createOutbox();
    const flows = [flow(), flow(), flow()];
    const sent = flows.map((each) => each.send('end', pattern(6 * pieceBytes)));
    near.turn();
    expect(flows[1]!.hasBegun).toBe(true);
    flows[1]!.drop(new Error('given up'));
    run();
    expect(await Promise.all(sent.map((each) => stateOf(each)))).toEqual(['written', 'given up', 'written']);
    const ids = arrived().map((frame) => Number(frame.split(' ')[0]));
    expect(ids).toEqual([1, 2, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]);
  });

  test('before its turn has sent nothing', () => {
    const { flow, run, arrived } = createOutbox();
    const only = flow();
    void only.send('request', pattern(mebibyte))!.catch(() => undefined);
    only.drop(new Error('given up'));
    run();
    expect([only.hasBegun, arrived()]).toEqual([false, []]);
  });
});

test('behind its end a session writes nothing, and whoever wants to is told', async () => {
  const { flow, outbox, near, run } = createOutbox();
  const waiting = flow();
  void waiting.send('end', pattern(mebibyte))!.catch(() => undefined);
  near.turn();
  const writes = near.writes.length;
  outbox.close();
  const late = flow().send('end', pattern(100_000));
  void flow().send('end', pattern(10));
  outbox.write(sessionFrame.cancel, 1);
  waiting.grant(10);
  run();
  expect([await stateOf(late), near.writes.length, outbox.isEmpty]).toEqual([
    'the session is over',
    writes,
    true,
  ]);
});

test('what cannot be written ends the session, and not the process', async () => {
  const { flow, outbox, near, run } = createOutbox();
  const asked = flow().send('end', { length: Number.NaN } as Uint8Array)!;
  asked.catch(() => undefined);
  const behind = flow().send('end', pattern(100_000))!;
  run();
  expect(near.closedBy).toBeInstanceOf(Error);
  expect(outbox.isEmpty).toBe(true);
  expect(await stateOf(behind)).not.toBe('written');
});
