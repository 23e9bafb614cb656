import { pbkdf2, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';

import { toHex, type Hex } from '@lloom/core';
import type { Keystore } from 'ox/Keystore';

import { IdentityError } from '../errors.ts';
import { corrupt } from './keyFile.ts';

// What the tools of Ethereum write: 256 MiB and about a second for each guess.
const cost = { n: 262_144, r: 8, p: 1 };
const keyBytes = 32;

// A file may ask for that much work and memory at most: 512 MiB, and four times the usual.
const limits = { memory: 2 ** 22, work: 2 ** 23, iterations: 10_000_000 };

type ScryptParameters = { readonly n: number; readonly r: number; readonly p: number; readonly salt: string };
type Pbkdf2Parameters = { readonly c: number; readonly prf: string; readonly salt: string };

/** Encrypts a private key as a Web3 Secret Storage file of version 3. */
export async function encryptKey(privateKey: Uint8Array, passphrase: string): Promise<Keystore> {
  const { encrypt } = await import('ox/Keystore');
  const kdfparams = { ...cost, dklen: keyBytes, salt: randomBytes(32).toString('hex') };
  const key = await deriveByScrypt(passphrase, kdfparams);
  return encrypt(privateKey, key, { kdf: 'scrypt', kdfparams, iv: new Uint8Array(randomBytes(16)) });
}

/**
 * The private key of a Web3 Secret Storage file of version 3, with scrypt or PBKDF2.
 * @param keystore what the file holds, not checked yet
 * @throws {IdentityError} `FILE_CORRUPT`, or `WRONG_PASSPHRASE`
 */
export async function decryptKey(
  keystore: { readonly crypto?: unknown },
  passphrase: string,
  path: string,
): Promise<Hex> {
  const checked = checkKeystore(keystore.crypto, path);
  const { decrypt } = await import('ox/Keystore');
  const key = await checked.derive(passphrase);
  try {
    return decrypt({ ...checked.keystore }, key);
  } catch {
    // It has one reason to fail on a checked file. What it threw is not kept: it saw the key.
    throw new IdentityError('WRONG_PASSPHRASE', { path });
  }
}

interface CheckedKeystore {
  readonly keystore: Keystore;
  readonly derive: (passphrase: string) => Promise<Hex>;
}

function checkKeystore(value: unknown, path: string): CheckedKeystore {
  const crypto = record(value);
  const parameters = record(crypto['kdfparams']);
  const iv = record(crypto['cipherparams'])['iv'];
  if (crypto['cipher'] !== 'aes-128-ctr') throw corrupt(path, 'its cipher is not aes-128-ctr');
  const isWhole =
    isHex(crypto['ciphertext'], keyBytes) &&
    isHex(crypto['mac'], 32) &&
    isHex(iv, 16) &&
    isHex(parameters['salt']) &&
    parameters['dklen'] === keyBytes;
  if (!isWhole) throw corrupt(path, 'a field of its keystore is missing or damaged');
  const derive = checkDerivation(crypto['kdf'], parameters, path);
  return { keystore: { crypto, id: '', version: 3 } as unknown as Keystore, derive };
}

function checkDerivation(
  kdf: unknown,
  parameters: Readonly<Record<string, unknown>>,
  path: string,
): CheckedKeystore['derive'] {
  const { n, r, p, c, prf } = parameters;
  if (kdf === 'scrypt') {
    const isBounded =
      isCount(n) &&
      isCount(r) &&
      isCount(p) &&
      n > 1 &&
      Number.isInteger(Math.log2(n)) &&
      n * r <= limits.memory &&
      n * r * p <= limits.work;
    if (!isBounded) throw corrupt(path, 'its scrypt parameters are missing, damaged or too costly');
    return (passphrase) => deriveByScrypt(passphrase, parameters as unknown as ScryptParameters);
  }
  if (kdf === 'pbkdf2') {
    if (!isCount(c) || c > limits.iterations || prf !== 'hmac-sha256') {
      throw corrupt(path, 'its PBKDF2 parameters are missing, damaged or too costly');
    }
    return (passphrase) => deriveByPbkdf2(passphrase, parameters as unknown as Pbkdf2Parameters);
  }
  throw corrupt(path, 'its key derivation is neither scrypt nor PBKDF2');
}

/** In a thread of its own, or in small steps where OpenSSL does not do it: the event loop goes on. */
async function deriveByScrypt(passphrase: string, { n, r, p, salt }: ScryptParameters): Promise<Hex> {
  const saltBytes = Buffer.from(salt, 'hex');
  // The standard bounds n by 2^(16 r). Some tools write r = 1 and a larger n all the same.
  if (n >= 2 ** (16 * r)) {
    const { scryptAsync } = await import('@noble/hashes/scrypt.js');
    return toHex(await scryptAsync(passphrase, saltBytes, { N: n, r, p, dkLen: keyBytes }));
  }
  const run = promisify<string, Buffer, number, object, Buffer>(scrypt);
  const options = { N: n, r, p, maxmem: 128 * r * (n + p + 32) };
  return toHex(await run(passphrase, saltBytes, keyBytes, options));
}

async function deriveByPbkdf2(passphrase: string, { c, salt }: Pbkdf2Parameters): Promise<Hex> {
  return toHex(await promisify(pbkdf2)(passphrase, Buffer.from(salt, 'hex'), c, keyBytes, 'sha256'));
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** Hexadecimal digits without `0x`: of so many bytes, or of 1 to 256. */
function isHex(value: unknown, bytes?: number): boolean {
  if (typeof value !== 'string' || !/^(?:[0-9a-fA-F]{2}){1,256}$/.test(value)) return false;
  return bytes === undefined || value.length === 2 * bytes;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
