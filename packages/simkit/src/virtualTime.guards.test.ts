import { fileURLToPath } from 'node:url';
import childProcess from 'node:child_process';
import nodeCrypto from 'node:crypto';
import * as namedCrypto from 'node:crypto';
import dgram from 'node:dgram';
import dns from 'node:dns';
import fs from 'node:fs';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import timers from 'node:timers';
import * as namedTimers from 'node:timers';
import timersPromises from 'node:timers/promises';
import { promisify } from 'node:util';
import workerThreads from 'node:worker_threads';
import zlib from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { VirtualClock, VirtualTimer } from './clock.ts';
import { SimkitError } from './errors.ts';
import { seededRandom } from './random.ts';
import { installVirtualTime } from './virtualTime.ts';
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

const thisFile = fileURLToPath(import.meta.url);

inVirtualTime();

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
      seen.length = 0;
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
      return [...seen];
    };
    const first = await run();
    expect(first).toHaveLength(50);
    expect(await run()).toEqual(first);
  });
});
