import { EventEmitter, getEventListeners, once } from 'node:events';
import { performance as namedPerformance } from 'node:perf_hooks';
import timers from 'node:timers';
import * as namedTimers from 'node:timers';
import timersPromises from 'node:timers/promises';
import * as namedTimersPromises from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { assign, createActor, setup } from 'xstate';
import {
  inVirtualTime,
  clock,
  seen,
  install,
  uninstall,
  note,
  failure,
  expectRefusal,
  startMs,
} from '../test/virtualTime.ts';

inVirtualTime();

describe('timers', () => {
  const starts: readonly (readonly [string, () => unknown])[] = [
    ['the global', () => setTimeout(note('timer'), 100)],
    ['the one of node:timers', () => timers.setTimeout(note('timer'), 100)],
    ['the one imported by name', () => namedTimers.setTimeout(note('timer'), 100)],
    ['the promise of node:timers/promises', () => void timersPromises.setTimeout(100).then(note('timer'))],
    ['the promise imported by name', () => void namedTimersPromises.setTimeout(100).then(note('timer'))],
    ['the promise of util.promisify', () => void promisify(setTimeout)(100).then(note('timer'))],
    ['scheduler.wait', () => void timersPromises.scheduler.wait(100).then(note('timer'))],
  ];

  test.for(starts)('fire in virtual time: %s', async ([, start]) => {
    start();
    await clock.runFor(99);
    expect(seen).toEqual([]);
    await clock.runFor(1);
    expect(seen).toEqual(['100 timer']);
  });

  test('repeat in virtual time until they are cleared, by either function', async () => {
    const globalTimer = setInterval(note('global'), 40);
    const named = namedTimers.setInterval(note('named'), 40);
    await clock.runFor(80);
    clearInterval(globalTimer);
    clearTimeout(named);
    await clock.runFor(80);
    expect(seen).toEqual(['40 global', '40 named', '80 global', '80 named']);
  });

  test('hand over arguments and values', async () => {
    setTimeout((text: string) => note(text)(), 1, 'argument');
    void timersPromises.setTimeout(1, 'value').then((text) => note(text)());
    await clock.runFor(1);
    expect(seen).toEqual(['1 argument', '1 value']);
  });

  test('are cleared by their number, too', async () => {
    const id = Number(setTimeout(note('timer'), 1));
    clearTimeout(id);
    await clock.runFor(1);
    expect(seen).toEqual([]);
  });

  test('that were set before virtual time can be cleared in it', () => {
    uninstall();
    const [byHandle, byNumber] = [setTimeout(note('real'), 3_600_000), setTimeout(note('real'), 3_600_000)];
    const number = Number(byNumber);
    install();
    clearTimeout(byHandle);
    clearInterval(number);
    expect([byHandle, byNumber].map((timer) => Reflect.get(timer, '_destroyed'))).toEqual([true, true]);
  });

  test('that outlive virtual time can be cleared, and never fire', () => {
    const timer = setTimeout(note('timer'), 1);
    uninstall();
    expect(() => clearTimeout(timer)).not.toThrow();
  });

  test('refuse what is no function in the words of Node.js', async () => {
    for (const set of [setTimeout, setInterval, setImmediate]) {
      const error = await failure(() => set('code' as unknown as () => void));
      expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    }
  });

  test('that are promises end early with their signal', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const promises = [
      timersPromises.setTimeout(100, undefined, { signal }),
      timersPromises.setImmediate(undefined, { signal }),
      timersPromises.scheduler.wait(100, { signal }),
    ];
    const results = Promise.allSettled(promises);
    controller.abort(new Error('enough'));
    expect(clock.pending).toBe(0);
    for (const result of await results) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { name: 'AbortError', code: 'ABORT_ERR', cause: { message: 'enough' } },
      });
    }
    await expect(timersPromises.setTimeout(1, undefined, { signal })).rejects.toThrow('aborted');
  });

  test('that are iterables tick in virtual time until they are left or their signal ends', async () => {
    const controller = new AbortController();
    const loop = (async () => {
      for await (const value of timersPromises.setInterval(10, 'tick')) {
        note(value)();
        if (seen.length === 2) break;
      }
      for await (const value of timersPromises.setInterval(10, 'tock', { signal: controller.signal }))
        note(value)();
    })();
    const ended = failure(async () => loop);
    setTimeout(() => controller.abort(), 45);
    await clock.runFor(100);
    expect(await ended).toMatchObject({ name: 'AbortError' });
    expect(seen).toEqual(['10 tick', '20 tick', '30 tock', '40 tock']);
    expect(clock.pending).toBe(0);
  });

  test('that are promises or iterables leave nothing on their signal', async () => {
    const { signal } = new AbortController();
    void timersPromises.setTimeout(5, undefined, { signal });
    void timersPromises.setImmediate(undefined, { signal });
    const firstTick = async (): Promise<void> => {
      for await (const value of timersPromises.setInterval(5, 'tick', { signal })) {
        note(value)();
        break;
      }
    };
    void firstTick();
    expect(getEventListeners(signal, 'abort')).toHaveLength(3);
    await clock.runFor(10);
    expect(seen).toEqual(['5 tick']);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('are what state machines wait for', async () => {
    const machine = setup({
      types: {} as { context: { at: number } },
      actions: { mark: assign({ at: () => Date.now() - startMs }) },
    }).createMachine({
      context: { at: 0 },
      initial: 'waiting',
      states: { waiting: { after: { 120_000: { target: 'ended', actions: 'mark' } } }, ended: {} },
    });
    const actor = createActor(machine).start();
    await clock.runFor(119_999);
    expect(actor.getSnapshot().value).toBe('waiting');
    await clock.runFor(1);
    expect(actor.getSnapshot()).toMatchObject({ value: 'ended', context: { at: 120_000 } });
  });
});

describe('immediates', () => {
  test('stay real, and time waits for a chain of them', async () => {
    let links = 0;
    const chain = (): void => {
      links += 1;
      if (links < 50) setImmediate(chain);
      else note('end of the chain')();
    };
    setTimeout(chain, 5);
    setTimeout(note('same instant'), 5);
    setTimeout(note('later'), 6);
    await clock.runFor(10);
    expect(seen).toEqual(['5 end of the chain', '5 same instant', '6 later']);
  });

  test('of every name are waited for', async () => {
    setTimeout(() => {
      namedTimers.setImmediate(() => setImmediate(() => timers.setImmediate(note('callback'))));
      void (async () => {
        await timersPromises.setImmediate();
        await promisify(setImmediate)();
        await timersPromises.scheduler.yield();
        await namedTimersPromises.setImmediate();
        note('promise')();
      })();
    }, 5);
    setTimeout(note('later'), 6);
    await clock.runFor(10);
    expect(seen).toEqual(['5 callback', '5 promise', '6 later']);
  });

  test('that are cleared are not waited for, whichever way', async () => {
    clearImmediate(setImmediate(note('immediate')));
    timers.clearImmediate(timers.setImmediate(note('immediate')));
    setImmediate(note('immediate'))[Symbol.dispose]();
    clearImmediate(undefined);
    await clock.runFor(1);
    expect(seen).toEqual([]);
  });

  test('that never end are an error', async () => {
    let last: NodeJS.Immediate | undefined;
    const again = (): void => {
      last = setImmediate(again);
    };
    again();
    const message = await expectRefusal(() => clock.runFor(10), 'ENDLESS_INSTANT');
    expect(message).toMatch(
      /^Cannot move virtual time beyond 0 ms: \d+ callbacks have run in that one instant$/,
    );
    clearImmediate(last);
  });
});

describe('dates and clocks', () => {
  test('tell virtual time', async () => {
    await clock.runFor(1_500);
    expect(Date.now()).toBe(startMs + 1_500);
    expect(new Date().getTime()).toBe(startMs + 1_500);
    expect((Date as unknown as () => string)()).toBe(new Date(startMs + 1_500).toString());
    expect(performance.now()).toBe(1_500);
    expect(namedPerformance.now()).toBe(1_500);
    expect(performance.timeOrigin).toBe(startMs);
    expect(process.hrtime()).toEqual([1, 500_000_000]);
    expect(process.hrtime.bigint()).toBe(1_500_000_000n);
    expect(process.uptime()).toBe(1.5);
  });

  test('measure what has passed', async () => {
    await clock.runFor(800);
    const before = process.hrtime();
    await clock.runFor(2_300.5);
    expect(process.hrtime(before)).toEqual([2, 300_500_000]);
    expect(process.hrtime([5, 0])).toEqual([-2, 100_500_000]);
  });

  test('leave all other dates as they are', () => {
    expect(new Date(0).getTime()).toBe(0);
    expect(new Date(2020, 1, 3, 4, 5).getMinutes()).toBe(5);
    expect(new Date('2020-01-01T00:00:00Z').getTime()).toBe(Date.UTC(2020, 0, 1));
    expect(new Date(new Date(7)).getTime()).toBe(7);
    expect(Date.parse('1970-01-01T00:00:01Z')).toBe(1_000);
    expect(Number.isNaN(new Date(undefined as unknown as number).getTime())).toBe(true);
    expect([Date.name, Date.length]).toEqual(['Date', 7]);
  });

  test('are dates to whoever asks, also those from before and after', () => {
    const inside = new Date();
    expect(inside).toBeInstanceOf(Date);
    expect(inside.constructor).toBe(Date);
    expect(Object.prototype.toString.call(inside)).toBe('[object Date]');
    const VirtualDate = Date;
    uninstall();
    expect(inside).toBeInstanceOf(Date);
    expect(inside.constructor).toBe(Date);
    expect(new Date()).toBeInstanceOf(VirtualDate);
    const before = new Date();
    install();
    expect(before).toBeInstanceOf(Date);
  });

  test('can be derived from', async () => {
    class Stamp extends Date {
      label(): string {
        return `stamp ${this.getTime() - startMs}`;
      }
    }
    await clock.runFor(5);
    expect(new Stamp().label()).toBe('stamp 5');
    expect(new Stamp(startMs)).toBeInstanceOf(Stamp);
    expect(new Stamp()).toBeInstanceOf(Date);
  });
});

describe('AbortSignal.timeout', () => {
  test('aborts at its virtual time, as the real one does', async () => {
    const signal = AbortSignal.timeout(50);
    signal.addEventListener('abort', note('abort'));
    await clock.runFor(49);
    expect(signal.aborted).toBe(false);
    await clock.runFor(1);
    expect(seen).toEqual(['50 abort']);
    expect(signal.reason).toBeInstanceOf(DOMException);
    expect(signal.reason).toMatchObject({ name: 'TimeoutError', code: DOMException.TIMEOUT_ERR });
    expect(() => signal.throwIfAborted()).toThrow('The operation was aborted due to timeout');
  });

  test('is part of AbortSignal.any', async () => {
    const signal = AbortSignal.any([
      new AbortController().signal,
      AbortSignal.timeout(50),
      AbortSignal.timeout(60),
    ]);
    signal.addEventListener('abort', note('abort'));
    await clock.runFor(100);
    expect(seen).toEqual(['50 abort']);
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  });

  test('ends the waiting for an event', async () => {
    const waiting = once(new EventEmitter(), 'never', { signal: AbortSignal.timeout(50) });
    const ended = waiting.catch((error: unknown) => {
      note('given up')();
      return error;
    });
    await clock.runFor(100);
    expect(await ended).toMatchObject({ name: 'AbortError', cause: { name: 'TimeoutError' } });
    expect(seen).toEqual(['50 given up']);
  });

  test.for([-1, 1.5, Number.NaN, 2 ** 32])('refuses %d in the words of Node.js', async (ms) => {
    expect(await failure(() => AbortSignal.timeout(ms))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(clock.pending).toBe(0);
  });
});
