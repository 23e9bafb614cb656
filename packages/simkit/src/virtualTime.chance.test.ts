import { fileURLToPath } from 'node:url';
import nodeCrypto from 'node:crypto';
import * as namedCrypto from 'node:crypto';
import fs from 'node:fs';
import { readFile } from 'node:fs/promises';
import timersPromises from 'node:timers/promises';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
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
    // Fewer are none of its doing: a timer of the test runner may have ended meanwhile.
    expect(realTimers()).toBeLessThanOrEqual(before);
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

  /** An empty module. */
  const wasm = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
  const unlisted: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['a module of WebAssembly', async () => WebAssembly.compile(wasm)],
    ['a digest', async () => crypto.subtle.digest('SHA-256', new Uint8Array(1_000_000))],
    ['a key', async () => promisify(nodeCrypto.pbkdf2)('a', 'b', 10_000, 32, 'sha256')],
    ['a named import', async () => promisify(namedCrypto.scrypt)('a', 'b', 32)],
    ['what is compressed', async () => promisify(zlib.gzip)(new Uint8Array(1_000_000))],
  ];

  test.for(unlisted)('begun before virtual time is over when it is run: %s', async ([, begin]) => {
    uninstall();
    let isOver = false;
    const work = (async (): Promise<void> => {
      await begin();
      isOver = true;
    })();
    install();
    setTimeout(() => seen.push(String(isOver)), 1);
    await clock.runFor(1);
    expect(seen).toEqual(['true']);
    await work;
  });

  test('that one virtual time leaves behind is over when the next one is run', async () => {
    const work = promisify(nodeCrypto.pbkdf2)('a', 'b', 10_000, 32, 'sha256').then(() => seen.push('over'));
    uninstall();
    install();
    setTimeout(note('next'), 1);
    await clock.runFor(1);
    expect(seen).toEqual(['over', '1 next']);
    await work;
  });

  test('that does not end is left alone when the clock is halted', async () => {
    uninstall();
    const { promise, resolve } = Promise.withResolvers<ArrayBuffer>();
    vi.spyOn(SubtleCrypto.prototype, 'digest').mockReturnValue(promise);
    install();
    void crypto.subtle.digest('SHA-256', bytes);
    const error = failure(() => clock.runFor(10));
    await clock.halt();
    expect(await error).toMatchObject({ code: 'STOPPED' });
    await clock.runFor(10);
    expect(clock.elapsed()).toBe(10);
    uninstall();
    resolve(new ArrayBuffer());
  });

  test('that does not end is an error that names it', async () => {
    uninstall();
    const never = new Promise<ArrayBuffer>(() => {});
    vi.spyOn(SubtleCrypto.prototype, 'digest').mockReturnValue(never);
    install('test', { maxNativeWaitMs: 1 });
    void crypto.subtle.digest('SHA-256', bytes);
    void crypto.subtle.digest('SHA-256', bytes);
    const message = await expectRefusal(() => clock.runFor(10), 'NATIVE_PENDING');
    expect(message).toBe(
      'Cannot move virtual time: native work did not end within 1 ms: crypto.subtle.digest',
    );
    expect(clock.elapsed()).toBe(0);
    uninstall();
    install('next', { maxNativeWaitMs: 20 });
    await expectRefusal(() => clock.runFor(10), 'NATIVE_PENDING');
    await clock.runFor(10);
    expect(clock.elapsed()).toBe(10);
  });
});
