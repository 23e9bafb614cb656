import { toHex, type EvmAddress } from '@lloom/core';

import { corrupt, readKeyFile, writeKeyFile } from './adapters/keyFile.ts';
import { decryptKey, encryptKey } from './adapters/keystore.ts';
import { IdentityError } from './errors.ts';
import type { LoadConfig, SaveConfig } from './types.ts';

/** A private key with the address that is written beside it. */
interface OwnedKey {
  readonly privateKey: Uint8Array;
  readonly address: EvmAddress;
}

const plainFormat = 'lloom-identity';

/**
 * Writes a key file: plain, or encrypted as Web3 Secret Storage when there is a passphrase.
 * @throws {IdentityError} `FILE_EXISTS`, `FILE_FAILED`, `PASSPHRASE_REQUIRED`
 */
export async function saveKey(
  { privateKey, address }: OwnedKey,
  path: string,
  config: SaveConfig,
): Promise<void> {
  const { passphrase, overwrite = false } = config;
  // A passphrase that is there but undefined comes from a variable that is not set: nobody wants a plain file then.
  if ('passphrase' in config && !passphrase) throw new IdentityError('PASSPHRASE_REQUIRED', { path });
  const content =
    passphrase === undefined
      ? { format: plainFormat, version: 1, address, privateKey: toHex(privateKey) }
      : { ...(await encryptKey(privateKey, passphrase)), address: address.slice(2).toLowerCase() };
  await writeKeyFile(path, `${JSON.stringify(content, undefined, 2)}\n`, overwrite);
}

/** What a file says: a private key in hex, and the address that it should have. */
export interface LoadedKey {
  readonly privateKey: string;
  /** In lower case, with `0x`; `undefined` when the file does not say. */
  readonly address: string | undefined;
}

/**
 * Reads a key file of either form.
 * @throws {IdentityError} `FILE_NOT_FOUND`, `FILE_CORRUPT`, `FILE_READABLE_BY_OTHERS`, `FILE_FAILED`,
 * `PASSPHRASE_REQUIRED`, `WRONG_PASSPHRASE`
 */
export async function loadKey(path: string, { passphrase }: LoadConfig): Promise<LoadedKey> {
  const { text, mode } = await readKeyFile(path);
  const content = parse(text, path);
  const address = addressIn(content['address'], path);
  if (content['version'] === 3) {
    if (passphrase === undefined || passphrase === '')
      throw new IdentityError('PASSPHRASE_REQUIRED', { path });
    // Old tools write the name with a capital.
    const keystore = { crypto: content['crypto'] ?? content['Crypto'] };
    return { privateKey: await decryptKey(keystore, passphrase, path), address };
  }
  if (content['format'] !== plainFormat) throw corrupt(path, 'it is no key file');
  if (content['version'] !== 1) throw corrupt(path, 'it was written by a newer version');
  if ((mode & 0o077) !== 0) {
    throw new IdentityError('FILE_READABLE_BY_OTHERS', { path, mode: mode.toString(8) });
  }
  return { privateKey: String(content['privateKey']), address };
}

/** Says that the key in a file is not the one that the file names, or is none. */
export function wrongKeyIn(path: string): IdentityError<'FILE_CORRUPT'> {
  return corrupt(path, 'its key is damaged, or does not belong to the address in it');
}

function parse(text: string, path: string): Readonly<Record<string, unknown>> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // What the parser says quotes the text, which may hold a key.
    throw corrupt(path, 'it is not JSON, or was cut off');
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw corrupt(path, 'it is no key file');
  }
  return content as Record<string, unknown>;
}

function addressIn(value: unknown, path: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !/^(?:0x)?[0-9a-fA-F]{40}$/.test(value)) {
    throw corrupt(path, 'its address is damaged');
  }
  return `0x${value.replace(/^0x/, '').toLowerCase()}`;
}
