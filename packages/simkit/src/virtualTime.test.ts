import childProcess from 'node:child_process';
import nodeCrypto from 'node:crypto';
import * as namedCrypto from 'node:crypto';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { EventEmitter, getEventListeners, once } from 'node:events';
import fs from 'node:fs';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { performance as namedPerformance } from 'node:perf_hooks';
import timers from 'node:timers';
import * as namedTimers from 'node:timers';
import timersPromises from 'node:timers/promises';
import * as namedTimersPromises from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import workerThreads from 'node:worker_threads';
import zlib from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { assign, createActor, setup } from 'xstate';
import { VirtualClock, VirtualTimer } from './clock.ts';
import { SimkitError, type SimkitErrorCode } from './errors.ts';
import { seededRandom } from './random.ts';
import { installVirtualTime } from './virtualTime.ts';

const startMs = Date.UTC(2026, 0, 1);
const thisFile = fileURLToPath(import.meta.url);

let clock: VirtualClock;
let seen: string[];
let uninstall: () => void;

function install(seed = 'test'): void {
  clock = new VirtualClock();
  uninstall = installVirtualTime({ clock, random: seededRandom(seed) });
}

beforeEach(() => {
  seen = [];
  install();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  uninstall();
});

const note = (text: string) => (): void => void seen.push(`${clock.elapsed()} ${text}`);

async function failure(act: () => unknown): Promise<unknown> {
  try {
    await act();
  } catch (error) {
    return error;
  }
  return undefined;
}

async function expectRefusal(act: () => unknown, code: SimkitErrorCode): Promise<string> {
  const error = await failure(act);
  expect(error).toMatchObject({ name: 'SimkitError', code });
  return (error as SimkitError).message;
}

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

describe('chance', () => {
  const version4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  const version7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

  const randomFill = async (array: Uint8Array): Promise<unknown> =>
    new Promise((resolve) => nodeCrypto.randomFill(array, (_, filled) => resolve(filled)));

  const draws: readonly (readonly [string, () => unknown])[] = [
    ['Math.random', () => Math.random()],
    ['crypto.getRandomValues', () => crypto.getRandomValues(new Uint8Array(20))],
    ['crypto.randomUUID', () => crypto.randomUUID()],
    ['getRandomValues of node:crypto', () => namedCrypto.getRandomValues(new Uint32Array(4)).join()],
    ['webcrypto of node:crypto', () => nodeCrypto.webcrypto.getRandomValues(new Uint8Array(8))],
    ['randomBytes', () => namedCrypto.randomBytes(20)],
    ['randomFillSync', () => nodeCrypto.randomFillSync(new Uint16Array(8), 2, 4)],
    ['randomInt', () => namedCrypto.randomInt(1_000_000_000)],
    ['randomUUID of node:crypto', () => namedCrypto.randomUUID({ disableEntropyCache: true })],
    ['randomBytes with a callback', async () => promisify(nodeCrypto.randomBytes)(20)],
    ['randomFill', async () => randomFill(new Uint8Array(9))],
    [
      'randomInt with a callback',
      async () => promisify<number, number, number>(nodeCrypto.randomInt)(5, 1e9),
    ],
  ];

  test.for(draws)('is decided by the seed: %s', async ([, draw]) => {
    const first = await draw();
    expect(await draw()).not.toEqual(first);
    uninstall();
    install();
    expect(await draw()).toEqual(first);
    uninstall();
    expect(await draw()).not.toEqual(first);
    install('another');
    expect(await draw()).not.toEqual(first);
  });

  test.runIf('randomUUIDv7' in nodeCrypto)('stamps ids with virtual time', async () => {
    await clock.runFor(0x1234);
    const id = nodeCrypto.randomUUIDv7();
    expect(id).toMatch(version7);
    expect(id.replace('-', '').slice(0, 12)).toBe((startMs + 0x1234).toString(16).padStart(12, '0'));
  });

  test('has the forms that it has in real time', () => {
    expect(crypto.randomUUID()).toMatch(version4);
    expect(nodeCrypto.randomUUID()).toMatch(version4);
    expect(Buffer.isBuffer(nodeCrypto.randomBytes(3))).toBe(true);
    const numbers = Array.from({ length: 200 }, () => nodeCrypto.randomInt(-2, 3));
    expect([...new Set(numbers)].toSorted((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
  });

  test('fills what it is given, and only that', () => {
    const array = new Uint8Array(4);
    expect(crypto.getRandomValues(array)).toBe(array);
    const words = new Uint16Array(8);
    expect(nodeCrypto.randomFillSync(words, 2, 4)).toBe(words);
    expect([...words].map((word) => word > 0)).toEqual([false, false, true, true, true, true, false, false]);
    const buffer = new ArrayBuffer(64);
    const part = new Uint8Array(new ArrayBuffer(8), 2, 4);
    crypto.getRandomValues(part);
    expect(new Uint8Array(part.buffer).slice(6)).toEqual(new Uint8Array(2));
    expect(
      new Uint8Array(nodeCrypto.randomFillSync(buffer as unknown as Uint8Array)).some((byte) => byte > 0),
    ).toBe(true);
  });

  test('refuses what the platform refuses', async () => {
    expect(await failure(() => crypto.getRandomValues(new Uint8Array(65_537)))).toMatchObject({
      name: 'QuotaExceededError',
    });
    expect(await failure(() => crypto.getRandomValues(new Float32Array(2)))).toMatchObject({
      name: 'TypeMismatchError',
    });
    expect(await failure(() => nodeCrypto.randomBytes(-1))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(await failure(() => nodeCrypto.randomInt(5, 5))).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(await failure(() => nodeCrypto.randomFillSync(new Uint8Array(2), 3))).toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
    });
  });
});

describe('work on other threads', () => {
  const bytes = new Uint8Array(100);

  const works: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['crypto.subtle', async () => crypto.subtle.digest('SHA-256', bytes)],
    ['subtle of node:crypto', async () => nodeCrypto.webcrypto.subtle.digest('SHA-256', bytes)],
    ['scrypt', async () => promisify<Buffer>((done) => nodeCrypto.scrypt('a', 'b', 32, done))()],
    ['pbkdf2 imported by name', async () => promisify(namedCrypto.pbkdf2)('a', 'b', 1_000, 32, 'sha256')],
    ['hkdf', async () => promisify(nodeCrypto.hkdf)('sha256', 'a', 'b', 'c', 32)],
    ['generateKeyPair', async () => promisify(nodeCrypto.generateKeyPair)('ed25519')],
    ['WebAssembly', async () => WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))],
    ['zlib', async () => promisify(zlib.gzip)(bytes)],
    ['a file', async () => promisify(fs.readFile)(thisFile)],
    ['a file by promise', async () => readFile(thisFile)],
    ['a stream of a file', async () => fs.createReadStream(thisFile).toArray()],
  ];

  test.for(works)('takes no virtual time: %s', async ([, work]) => {
    setTimeout(() => void work().then(note('result')), 5);
    setTimeout(note('same instant'), 5);
    setTimeout(note('later'), 6);
    await clock.runFor(10);
    expect(seen).toEqual(['5 result', '5 same instant', '6 later']);
  });

  test('gives its results in the order in which it was begun, each with all that follows from it', async () => {
    const slow = new Uint8Array(4_000_000);
    setTimeout(() => {
      const follow = (text: string) => async (): Promise<void> => {
        note(text)();
        await timersPromises.setImmediate();
        note(`${text}, settled`)();
      };
      void crypto.subtle.digest('SHA-512', slow).then(follow('slow'));
      nodeCrypto.pbkdf2('a', 'b', 1, 32, 'sha256', () => void follow('quick')());
      void crypto.subtle.digest('SHA-256', bytes).then(follow('also quick'));
    }, 5);
    await clock.runFor(10);
    expect(seen.map((line) => line.slice(2))).toEqual([
      'slow',
      'slow, settled',
      'quick',
      'quick, settled',
      'also quick',
      'also quick, settled',
    ]);
  });

  test('gives its errors as it does in real time', async () => {
    let caught: unknown;
    setTimeout(() => {
      void readFile(`${thisFile}.absent`).catch((error: unknown) => {
        caught = error;
        note('error')();
      });
    }, 5);
    await clock.runFor(10);
    expect(seen).toEqual(['5 error']);
    expect(caught).toMatchObject({ code: 'ENOENT' });
    expect(await failure(() => nodeCrypto.pbkdf2('a', 'b', -1, 32, 'sha256', () => {}))).toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
    });
    await clock.runFor(10);
    expect(clock.elapsed()).toBe(20);
  });

  test('whose callback throws fails the run', async () => {
    setTimeout(() => nodeCrypto.pbkdf2('a', 'b', 1, 32, 'sha256', () => fail()), 5);
    const fail = (): never => {
      throw new Error('broken');
    };
    await expect(clock.runFor(10)).rejects.toThrow('broken');
    expect(clock.elapsed()).toBe(5);
  });

  test('goes on as usual while the clock rests', async () => {
    await clock.runFor(1);
    const digest = await crypto.subtle.digest('SHA-256', bytes);
    expect(digest.byteLength).toBe(32);
    const reading = readFile(thisFile, 'utf8');
    uninstall();
    expect(await reading).toContain('goes on as usual');
  });

  test('goes on when virtual time ends in the middle of a run', async () => {
    let digest: Promise<ArrayBuffer> | undefined;
    setTimeout(() => {
      digest = crypto.subtle.digest('SHA-256', bytes);
      uninstall();
    }, 5);
    await clock.runFor(10);
    expect((await digest)?.byteLength).toBe(32);
  });

  test('leaves no real timer behind', async () => {
    const realTimers = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = realTimers();
    void crypto.subtle.digest('SHA-256', new Uint8Array(1_000_000)).then(note('result'));
    await clock.runFor(1);
    expect(seen).toEqual(['0 result']);
    expect(realTimers()).toBe(before);
  });

  test('on files that was begun before virtual time is waited for when the clock is run', async () => {
    uninstall();
    let isRead = false;
    const read = async (): Promise<void> => {
      await fs.promises.readFile(thisFile);
      isRead = true;
    };
    void read();
    install();
    setTimeout(() => seen.push(String(isRead)), 1);
    await clock.runFor(1);
    expect(seen).toEqual(['true']);
  });

  test('that does not end is left alone when the clock is halted', async () => {
    uninstall();
    vi.spyOn(SubtleCrypto.prototype, 'digest').mockReturnValue(new Promise(() => {}));
    install();
    void crypto.subtle.digest('SHA-256', bytes);
    const error = failure(() => clock.runFor(10));
    await clock.halt();
    expect(await error).toMatchObject({ code: 'STOPPED' });
    await clock.runFor(10);
    expect(clock.elapsed()).toBe(10);
    uninstall();
  });

  test('that does not end is an error that names it', async () => {
    uninstall();
    const never = new Promise<ArrayBuffer>(() => {});
    vi.spyOn(SubtleCrypto.prototype, 'digest').mockReturnValue(never);
    clock = new VirtualClock();
    uninstall = installVirtualTime({ clock, random: seededRandom(1), maxNativeWaitMs: 1 });
    void crypto.subtle.digest('SHA-256', bytes);
    void crypto.subtle.digest('SHA-256', bytes);
    const message = await expectRefusal(() => clock.runFor(10), 'NATIVE_PENDING');
    expect(message).toBe(
      'Cannot move virtual time: native work did not end within 1 ms: crypto.subtle.digest',
    );
    expect(clock.elapsed()).toBe(0);
    uninstall();
  });
});

describe('what is real', () => {
  const refused: readonly (readonly [string, () => unknown])[] = [
    ['net.Socket.connect', () => net.connect(9, '127.0.0.1')],
    ['net.Socket.connect', () => new net.Socket().connect(9)],
    ['net.Socket.connect', () => http.get('http://127.0.0.1:9')],
    ['net.Server.listen', () => net.createServer().listen(0, '127.0.0.1')],
    ['net.Server.listen', () => http.createServer().listen(0, '127.0.0.1')],
    ['dgram.Socket.bind', () => dgram.createSocket('udp4').bind(0, '127.0.0.1')],
    ['dgram.Socket.send', () => dgram.createSocket('udp4').send('a', 9, '127.0.0.1')],
    ['dgram.Socket.connect', () => dgram.createSocket('udp4').connect(9, '127.0.0.1')],
    ['dns.lookup', () => dns.lookup('localhost', () => {})],
    ['dns.promises.lookup', async () => dns.promises.lookup('localhost')],
    ['dns.resolve4', () => dns.resolve4('localhost', () => {})],
    ['dns.promises.resolveTxt', async () => dns.promises.resolveTxt('localhost')],
    ['dns.Resolver.resolve', () => new dns.Resolver().resolve('localhost', () => {})],
    ['dns.promises.Resolver.reverse', async () => new dns.promises.Resolver().reverse('127.0.0.1')],
    ['worker_threads.Worker', () => new workerThreads.Worker('', { eval: true })],
    ['child_process.spawn', () => childProcess.spawn('true')],
    ['child_process.spawn', () => childProcess.exec('true')],
    ['child_process.spawn', () => childProcess.fork(thisFile)],
    ['child_process.spawnSync', () => childProcess.spawnSync('true')],
    ['child_process.execSync', () => childProcess.execSync('true')],
    ['child_process.execFileSync', () => childProcess.execFileSync('true')],
  ];

  test.for(refused)('is refused: %s', async ([what, act]) => {
    const message = await expectRefusal(act, 'REAL_RESOURCE');
    expect(message).toBe(`Cannot use ${what} in virtual time: it would answer in real time`);
  });

  test('is refused through fetch', async () => {
    const error = await failure(async () => fetch('http://127.0.0.1:4001'));
    expect(SimkitError.is((error as Error).cause, 'REAL_RESOURCE')).toBe(true);
  });

  test('is allowed where it asks nobody: the name of an address, a fetch of its own data', async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    dns.lookup('127.0.0.1', (_, address) => resolve(address));
    expect(await promise).toBe('127.0.0.1');
    expect(await dns.promises.lookup('::1')).toMatchObject({ address: '::1' });
    expect(await (await fetch('data:,here')).text()).toBe('here');
  });
});

describe('another tool that replaces', () => {
  test('timers before virtual time began is told', async () => {
    uninstall();
    vi.useFakeTimers();
    const message = await expectRefusal(() => install(), 'GLOBAL_REPLACED');
    expect(message).toMatch(/something replaced set/);
    vi.useRealTimers();
    install();
    await clock.runFor(1);
  });

  test('timers, and puts ours back when virtual time is over, leaves them working and the next one too', async () => {
    vi.useFakeTimers();
    uninstall();
    // What it has saved are the timers of a virtual time that is over.
    vi.useRealTimers();
    await new Promise((resolve) => setTimeout(resolve, 1));
    await new Promise((resolve) => setImmediate(resolve));
    install();
    setTimeout(note('later'), 10);
    setImmediate(note('at once'));
    await clock.runFor(10);
    expect(seen).toEqual(['0 at once', '10 later']);
    expect(new Date().getTime()).toBe(startMs + 10);
  });

  test('timers and dates is found out at the next step', async () => {
    vi.useFakeTimers();
    const message = await expectRefusal(() => clock.runFor(10), 'GLOBAL_REPLACED');
    expect(message).toBe('Cannot go on in virtual time: something replaced setTimeout');
    vi.useRealTimers();
    await clock.runFor(10);
    expect(clock.elapsed()).toBe(10);
  });

  test.for([
    ['setInterval', globalThis, 'setInterval'],
    ['setImmediate', globalThis, 'setImmediate'],
    ['clearTimeout', globalThis, 'clearTimeout'],
    ['Date', globalThis, 'Date'],
    ['performance.now', performance, 'now'],
    ['AbortSignal.timeout', AbortSignal, 'timeout'],
    ['Math.random', Math, 'random'],
    ['crypto.getRandomValues', crypto, 'getRandomValues'],
    ['process.hrtime', process, 'hrtime'],
  ] as const)('%s is found out in the middle of a run', async ([name, target, key]) => {
    const own = Object.getOwnPropertyDescriptor(target, key);
    setTimeout(
      () => Object.defineProperty(target, key, { configurable: true, value: vi.fn<() => void>() }),
      5,
    );
    setTimeout(note('too late'), 6);
    try {
      expect(await expectRefusal(() => clock.runFor(10), 'GLOBAL_REPLACED')).toContain(`replaced ${name}`);
      expect(clock.elapsed()).toBe(5);
    } finally {
      if (own === undefined) Reflect.deleteProperty(target, key);
      else Object.defineProperty(target, key, own);
    }
    expect(seen).toEqual([]);
  });
});

describe('virtual time', () => {
  test('is refused where NODE_ENV is production, and then nothing is replaced', async () => {
    uninstall();
    vi.stubEnv('NODE_ENV', 'production');
    const { setTimeout: real } = globalThis;
    const message = await expectRefusal(() => install(), 'PRODUCTION');
    expect(message).toBe('Cannot simulate a network: NODE_ENV is "production"');
    expect(globalThis.setTimeout).toBe(real);
  });

  test('is refused to a second one in the process, also to another copy of this package', async () => {
    const random = seededRandom(1);
    const second = (): unknown => installVirtualTime({ clock: new VirtualClock(), random });
    await expectRefusal(second, 'ALREADY_RUNNING');
    vi.resetModules();
    const copy = await import('./virtualTime.ts');
    expect(copy.installVirtualTime).not.toBe(installVirtualTime);
    const error = await failure(() => copy.installVirtualTime({ clock, random }));
    expect(SimkitError.is(error, 'ALREADY_RUNNING')).toBe(true);
    uninstall();
    copy.installVirtualTime({ clock, random })();
  });

  test('leaves a clock that goes on alone', async () => {
    clock.setTimeout(note('timer'), 5);
    uninstall();
    await clock.runFor(5);
    expect(seen).toEqual(['5 timer']);
  });

  test('ends once: ending it again leaves the next one alone', async () => {
    const endFirst = uninstall;
    endFirst();
    install();
    endFirst();
    setTimeout(note('timer'), 1);
    await clock.runFor(1);
    expect(seen).toEqual(['1 timer']);
  });

  test('puts everything back exactly as it was', () => {
    const places = [
      globalThis,
      process,
      Math,
      Date,
      Date.prototype,
      AbortSignal,
      WebAssembly,
      Performance.prototype,
      Crypto.prototype,
      SubtleCrypto.prototype,
      timers,
      timersPromises,
      Object.getPrototypeOf(timersPromises.scheduler) as object,
      nodeCrypto,
      fs,
      fs.promises,
      zlib,
      dns,
      dns.promises,
      dns.Resolver.prototype,
      dns.promises.Resolver.prototype,
      net.Socket.prototype,
      net.Server.prototype,
      dgram.Socket.prototype,
      childProcess.ChildProcess.prototype,
      workerThreads,
    ];
    const look = (): Map<PropertyKey, PropertyDescriptor>[] =>
      places.map((place) => {
        const keys = Reflect.ownKeys(place);
        return new Map(keys.map((key) => [key, Object.getOwnPropertyDescriptor(place, key)!]));
      });
    const changed = (a: typeof before, b: typeof before): PropertyKey[] =>
      a.flatMap((properties, index) => {
        const others = b[index]!;
        expect([...others.keys()]).toHaveLength(properties.size);
        return [...properties].flatMap(([key, one]) => {
          const other = others.get(key);
          const parts = ['value', 'get', 'set', 'enumerable', 'configurable', 'writable'] as const;
          return parts.every((part) => Object.is(one[part], other?.[part])) ? [] : [key];
        });
      });
    uninstall();
    const before = look();
    install();
    const within = look();
    uninstall();
    const after = look();
    expect(changed(before, after)).toEqual([]);
    expect(namedTimers.setTimeout).toBe(timers.setTimeout);
    expect(namedCrypto.randomBytes).toBe(nodeCrypto.randomBytes);
    within[1]!.delete(Symbol.for('@lloom/simkit/virtual-time'));
    expect(changed(before, within).length).toBeGreaterThan(150);
  });

  test('keeps names, lengths and further properties of functions', () => {
    expect([setTimeout.name, process.hrtime.name, fs.readFile.name]).toEqual([
      'setTimeout',
      'hrtime',
      'readFile',
    ]);
    expect([nodeCrypto.pbkdf2.length, Math.random.length]).toEqual([6, 0]);
    expect(timers.setTimeout).toBe(setTimeout);
    expect(namedTimers.setTimeout).toBe(setTimeout);
    expect(Reflect.get(setTimeout, promisify.custom)).toBe(timersPromises.setTimeout);
  });

  test('is left by functions that were taken in it: they follow the process', async () => {
    const { setTimeout: set, Date: TakenDate } = globalThis;
    const { now } = TakenDate;
    const { random } = Math;
    uninstall();
    const timer = set(() => {}, 3_600_000);
    expect(timer).not.toBeInstanceOf(VirtualTimer);
    clearTimeout(timer);
    expect(now()).not.toBe(startMs);
    expect(new TakenDate().getTime()).not.toBe(startMs);
    expect(TakenDate()).not.toBe(new Date(startMs).toString());
    install();
    set(note('timer'), 5);
    await clock.runFor(5);
    expect(seen).toEqual(['5 timer']);
    expect(now()).toBe(startMs + 5);
    expect(new TakenDate().getTime()).toBe(startMs + 5);
    expect(random()).toBe(seededRandom('test').float());
  });

  test('makes a program that uses all of it run the same twice', async () => {
    const run = async (): Promise<string[]> => {
      seen = [];
      const worker = async (name: string): Promise<void> => {
        for (let round = 0; round < 5; round += 1) {
          await timersPromises.setTimeout(Math.random() * 100);
          const digest = await crypto.subtle.digest('SHA-256', crypto.getRandomValues(new Uint8Array(1_000)));
          await readFile(thisFile);
          await timersPromises.setImmediate();
          note(`${name} ${Buffer.from(digest).toString('hex', 0, 4)} ${crypto.randomUUID()}`)();
        }
      };
      for (let index = 0; index < 10; index += 1) void worker(`w${index}`);
      await clock.runFor(1_000);
      uninstall();
      install();
      return seen;
    };
    const first = await run();
    expect(first).toHaveLength(50);
    expect(await run()).toEqual(first);
  });
});
