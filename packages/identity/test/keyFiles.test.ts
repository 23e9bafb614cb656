import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { Keystore } from 'ox';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { Identity, IdentityError, type IdentityErrorCode } from '../src/index.ts';
import { codeOf, failureOf, FakeClock, knownKey } from './support/world.ts';
import golden from './vectors/keystores.json' with { type: 'json' };

const posix = process.platform !== 'win32';
const known = Identity.fromPrivateKey(knownKey.privateKey);
const digits = knownKey.privateKey.slice(2);

let folder = '';
let path = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lloom-identity-'));
  path = join(folder, 'node.key');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function writePrivate(content: unknown): Promise<void> {
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });
}

const plain = {
  format: 'lloom-identity',
  version: 1,
  address: knownKey.address,
  privateKey: knownKey.privateKey,
};

/** An encrypted file that asks for little work. */
async function lightKeystore(change: { crypto?: object; kdfparams?: object; [field: string]: unknown } = {}) {
  const [key, options] = Keystore.scrypt({ password: 'secret', n: 1_024, r: 8, p: 1 });
  const keystore = Keystore.encrypt(knownKey.privateKey, key, options);
  const { crypto, kdfparams, ...rest } = change;
  const allParameters = { ...keystore.crypto.kdfparams, ...kdfparams };
  await writePrivate({
    ...keystore,
    crypto: { ...keystore.crypto, kdfparams: allParameters, ...crypto },
    ...rest,
  });
}

describe('a plain key file', () => {
  test('brings back the same identity, with the clock that is given', async () => {
    await known.save(path);
    const clock = new FakeClock();
    const loaded = await Identity.load(path, { clock });
    expect(loaded.peerId).toBe(knownKey.peerId);
    const { timestampMs } = await loaded.sign({ model: 'demo-small', prompt: 'Hello' });
    expect(timestampMs).toBe(clock.now());
  });

  test('says its version and address, and ends with a line break', async () => {
    await known.save(path);
    const text = await readFile(path, 'utf8');
    expect(JSON.parse(text)).toEqual(plain);
    expect(text.endsWith('}\n')).toBe(true);
  });

  test.runIf(posix)('is for its owner only, and nothing else is left in the folder', async () => {
    const mask = process.umask(0);
    try {
      await known.save(path);
    } finally {
      process.umask(mask);
    }
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['node.key']);
  });

  test.runIf(posix).for([0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o777])(
    'is refused with mode %o, and the error says the command',
    async (mode) => {
      await known.save(path);
      await chmod(path, mode);
      const error = await failureOf(() => Identity.load(path));
      expect(IdentityError.is(error, 'FILE_READABLE_BY_OTHERS') && error.data.mode).toBe(mode.toString(8));
      expect(String(error)).toContain(`run: chmod 600 '${path}'`);
      await chmod(path, 0o600);
      expect((await Identity.load(path)).peerId).toBe(knownKey.peerId);
    },
  );

  test.runIf(posix)('with a quote in its name is quoted in the command', async () => {
    const odd = join(folder, "it's.key");
    await known.save(odd);
    await chmod(odd, 0o644);
    const error = await failureOf(() => Identity.load(odd));
    expect(String(error)).toContain(String.raw`chmod 600 '${folder}/it'\''s.key'`);
  });

  test.runIf(posix)('is refused through a link to a file that others may read', async () => {
    await known.save(path);
    await chmod(path, 0o644);
    const shortcut = join(folder, 'shortcut.key');
    await symlink(path, shortcut);
    expect(await codeOf(() => Identity.load(shortcut))).toBe('FILE_READABLE_BY_OTHERS');
    await chmod(path, 0o400);
    expect((await Identity.load(shortcut)).peerId).toBe(knownKey.peerId);
  });

  test('is read without looking at a passphrase', async () => {
    await known.save(path);
    expect((await Identity.load(path, { passphrase: 'unused' })).peerId).toBe(knownKey.peerId);
  });
});

describe('saving', () => {
  test('never replaces a file unless it is told to', async () => {
    await known.save(path);
    const other = Identity.generate();
    for (const config of [{}, { overwrite: false }]) {
      expect(await codeOf(() => other.save(path, config))).toBe('FILE_EXISTS');
    }
    expect((await Identity.load(path)).peerId).toBe(knownKey.peerId);
    await other.save(path, { overwrite: true });
    expect((await Identity.load(path)).peerId).toBe(other.peerId);
    expect(await readdir(folder)).toEqual(['node.key']);
  });

  test('at the same time by many leaves one whole file', async () => {
    const identities = Array.from({ length: 8 }, () => Identity.generate());
    const codes = await Promise.all(identities.map((identity) => codeOf(() => identity.save(path))));
    const winner = codes.indexOf(undefined);
    expect(codes.filter((code) => code === 'FILE_EXISTS')).toHaveLength(7);
    expect((await Identity.load(path)).peerId).toBe(identities[winner]?.peerId);
    expect(await readdir(folder)).toEqual(['node.key']);
  });

  test('overwrites a file that others may read with one that they may not', async () => {
    await known.save(path);
    await chmod(path, 0o644);
    await known.save(path, { overwrite: true });
    expect((await Identity.load(path)).peerId).toBe(knownKey.peerId);
  });

  test('to a folder that is not there, or over a folder, says what the system said', async () => {
    const error = await failureOf(() => known.save(join(folder, 'no', 'node.key')));
    expect(IdentityError.is(error, 'FILE_FAILED') && error.data.systemCode).toBe('ENOENT');
    await mkdir(path);
    expect(await codeOf(() => known.save(path))).toBe('FILE_EXISTS');
    expect(await codeOf(() => known.save(path, { overwrite: true }))).toBe('FILE_FAILED');
    expect(await readdir(folder)).toEqual(['node.key']);
  });

  test.for(['', undefined])('with the passphrase %j is refused: it would not encrypt', async (passphrase) => {
    const config = { passphrase } as { passphrase: string };
    expect(await codeOf(() => known.save(path, config))).toBe('PASSPHRASE_REQUIRED');
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('an encrypted key file', () => {
  test.for(['scrypt', 'pbkdf2'] as const)('of the published %s vector gives its key', async (kdf) => {
    await writePrivate(golden[kdf]);
    expect((await Identity.load(path, { passphrase: golden.passphrase })).evmAddress).toBe(golden.address);
    expect(Identity.fromPrivateKey(golden.privateKey).evmAddress).toBe(golden.address);
  });

  test('brings back the same identity, and is what other tools read', async () => {
    const passphrase = 'pässphrase 密码';
    await known.save(path, { passphrase });
    const text = await readFile(path, 'utf8');
    expect(text).not.toContain(digits);
    const content = JSON.parse(text) as Keystore.Keystore & { address: string };
    expect(content).toMatchObject({
      version: 3,
      address: knownKey.address.slice(2).toLowerCase(),
      crypto: { cipher: 'aes-128-ctr', kdf: 'scrypt', kdfparams: { n: 262_144, r: 8, p: 1, dklen: 32 } },
    });
    expect(content.crypto.kdfparams.salt).toHaveLength(64);
    expect((await Identity.load(path, { passphrase })).peerId).toBe(knownKey.peerId);
    // By the library itself, which knows nothing of this package.
    const key = await Keystore.toKeyAsync(content, { password: passphrase });
    expect(Keystore.decrypt(content, key)).toBe(knownKey.privateKey);
  });

  test('lets the program go on while the key is derived, and is different each time', async () => {
    await known.save(path, { passphrase: 'secret' });
    const before = await readFile(path, 'utf8');
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    count();
    await known.save(path, { passphrase: 'secret', overwrite: true });
    isDone = true;
    expect(turns).toBeGreaterThan(100);
    expect(await readFile(path, 'utf8')).not.toBe(before);
  });

  test.runIf(posix)(
    'is for its owner only when it is written, and may be readable when it is read',
    async () => {
      await lightKeystore();
      await chmod(path, 0o644);
      expect((await Identity.load(path, { passphrase: 'secret' })).peerId).toBe(knownKey.peerId);
      await known.save(path, { passphrase: 'secret', overwrite: true });
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    },
  );

  test.for([{}, { passphrase: '' }])('is not read with %j', async (config) => {
    await lightKeystore();
    expect(await codeOf(() => Identity.load(path, config))).toBe('PASSPHRASE_REQUIRED');
  });

  test('tells a wrong passphrase, without saying it', async () => {
    await lightKeystore();
    const error = await failureOf(() => Identity.load(path, { passphrase: 'hunter2-is-wrong' }));
    expect(IdentityError.is(error, 'WRONG_PASSPHRASE')).toBe(true);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hunter2-is-wrong');
  });

  test('may be of an old tool, which writes Crypto with a capital', async () => {
    await lightKeystore();
    const { crypto, ...rest } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    await writePrivate({ ...rest, Crypto: crypto });
    expect((await Identity.load(path, { passphrase: 'secret' })).peerId).toBe(knownKey.peerId);
  });
});

describe('a key file that is not one', () => {
  const refused: [string, IdentityErrorCode, () => Promise<unknown>][] = [
    ['is not there', 'FILE_NOT_FOUND', () => Promise.resolve()],
    ['is a folder', 'FILE_CORRUPT', () => mkdir(path)],
    ['is empty', 'FILE_CORRUPT', () => writePrivate('')],
    ['was cut off', 'FILE_CORRUPT', () => writePrivate(JSON.stringify(plain).slice(0, -9))],
    ['is not JSON', 'FILE_CORRUPT', () => writePrivate(digits)],
    ['is a list', 'FILE_CORRUPT', () => writePrivate([plain])],
    ['is a number', 'FILE_CORRUPT', () => writePrivate('7')],
    ['is null', 'FILE_CORRUPT', () => writePrivate('null')],
    ['is of something else', 'FILE_CORRUPT', () => writePrivate({ name: 'package' })],
    ['is of a newer version', 'FILE_CORRUPT', () => writePrivate({ ...plain, version: 2 })],
    ['is too large', 'FILE_CORRUPT', () => writePrivate({ ...plain, more: 'x'.repeat(70_000) })],
    ['has no key', 'FILE_CORRUPT', () => writePrivate({ ...plain, privateKey: undefined })],
    ['has a damaged key', 'FILE_CORRUPT', () => writePrivate({ ...plain, privateKey: `${digits}0` })],
    [
      'has a key beyond the order',
      'FILE_CORRUPT',
      () => writePrivate({ ...plain, privateKey: 'f'.repeat(64) }),
    ],
    [
      'has another key',
      'FILE_CORRUPT',
      () => writePrivate({ ...plain, privateKey: digits.replace(/.$/, '1') }),
    ],
    ['has another address', 'FILE_CORRUPT', () => writePrivate({ ...plain, address: golden.address })],
    ['has a damaged address', 'FILE_CORRUPT', () => writePrivate({ ...plain, address: '0x12' })],
    [
      'is encrypted and has another address',
      'FILE_CORRUPT',
      () => lightKeystore({ address: golden.address }),
    ],
    ['is encrypted and has no content', 'FILE_CORRUPT', () => writePrivate({ version: 3 })],
    ['is encrypted otherwise', 'FILE_CORRUPT', () => lightKeystore({ crypto: { cipher: 'aes-256-gcm' } })],
    ['is encrypted and lacks its text', 'FILE_CORRUPT', () => lightKeystore({ crypto: { ciphertext: '' } })],
    [
      'is encrypted and has a short text',
      'FILE_CORRUPT',
      () => lightKeystore({ crypto: { ciphertext: 'ab' } }),
    ],
    ['is encrypted and has a damaged mac', 'FILE_CORRUPT', () => lightKeystore({ crypto: { mac: 'zz' } })],
    [
      'is encrypted and has a wrong mac',
      'WRONG_PASSPHRASE',
      () => lightKeystore({ crypto: { mac: 'ab'.repeat(32) } }),
    ],
    ['is encrypted and has no iv', 'FILE_CORRUPT', () => lightKeystore({ crypto: { cipherparams: null } })],
    ['derives its key in an unknown way', 'FILE_CORRUPT', () => lightKeystore({ crypto: { kdf: 'argon2' } })],
    [
      'asks for a cost that is no power of two',
      'FILE_CORRUPT',
      () => lightKeystore({ kdfparams: { n: 1_000 } }),
    ],
    ['asks for a cost of text', 'FILE_CORRUPT', () => lightKeystore({ kdfparams: { n: '1024' } })],
    ['asks for too much memory', 'FILE_CORRUPT', () => lightKeystore({ kdfparams: { n: 2 ** 20 } })],
    ['asks for too much work', 'FILE_CORRUPT', () => lightKeystore({ kdfparams: { n: 2 ** 18, p: 100 } })],
    ['asks for another key length', 'FILE_CORRUPT', () => lightKeystore({ kdfparams: { dklen: 64 } })],
    ['has no salt', 'FILE_CORRUPT', () => lightKeystore({ kdfparams: { salt: '' } })],
    [
      'asks for too many rounds',
      'FILE_CORRUPT',
      () =>
        lightKeystore({
          crypto: { kdf: 'pbkdf2', kdfparams: { c: 1e9, prf: 'hmac-sha256', dklen: 32, salt: 'ab' } },
        }),
    ],
    [
      'derives its key with another hash',
      'FILE_CORRUPT',
      () =>
        lightKeystore({
          crypto: { kdf: 'pbkdf2', kdfparams: { c: 9, prf: 'hmac-md5', dklen: 32, salt: 'ab' } },
        }),
    ],
  ];

  test.for(refused)('because it %s, is refused with %s', async ([, code, prepare]) => {
    await prepare();
    const error = await failureOf(() => Identity.load(path, { passphrase: 'secret' }));
    expect(IdentityError.is(error) ? error.code : error).toBe(code);
    // Nothing of the content, which may be a key, gets into the error.
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(digits.slice(0, 16));
  });

  test.runIf(posix)('because it is a pipe that nobody writes to, is refused at once', async () => {
    const { execFileSync } = await import('node:child_process');
    execFileSync('mkfifo', [path]);
    expect(await codeOf(() => Identity.load(path))).toBe('FILE_CORRUPT');
  });

  test.runIf(posix)('because a link leads nowhere, is not found', async () => {
    await symlink(join(folder, 'nothing'), path);
    expect(await codeOf(() => Identity.load(path))).toBe('FILE_NOT_FOUND');
  });

  test.runIf(posix)(
    'because a file stands where its folder should be, is refused as the system says',
    async () => {
      await writePrivate(plain);
      const error = await failureOf(() => Identity.load(join(path, 'node.key')));
      expect(IdentityError.is(error, 'FILE_FAILED') && error.data.systemCode).toBe('ENOTDIR');
    },
  );
});
