import { Identity } from '@lloom/identity';
import { loadIdentity } from './identityFile.ts';
import type { OutputOptions } from './options.ts';
import { readPassphrase } from './passphrase.ts';
import type { Session } from './session.ts';

/** What `lloom identity` takes. */
export interface IdentityOptions extends OutputOptions {
  readonly file: string;
  readonly passphraseFile?: string;
}

/** What `lloom identity new` takes beside that. */
export interface NewIdentityOptions extends IdentityOptions {
  readonly encrypt?: boolean;
}

/** Writes a new key to a file. */
export async function createIdentity(options: NewIdentityOptions, session: Session): Promise<void> {
  const { file, encrypt = false, passphraseFile } = options;
  const identity = Identity.generate();
  const source = { file: passphraseFile, interruption: session.interruption };
  const secret = encrypt
    ? { passphrase: await readPassphrase(source, { identityFile: file, confirm: true }) }
    : {};
  await identity.save(file, secret);
  show(session, identity, { event: 'created', file, encrypted: encrypt });
}

/** Shows the names of a key. */
export async function showIdentity(options: IdentityOptions, session: Session): Promise<void> {
  const identity = await loadIdentity(options.file, { source: options, session });
  show(session, identity, { event: 'identity', file: options.file });
}

function show(
  { output }: Session,
  { peerId, evmAddress }: Identity,
  what: { readonly event: string; readonly file: string; readonly encrypted?: boolean },
): void {
  const { event, ...data } = what;
  const note = what.encrypted === undefined ? '' : what.encrypted ? ' (encrypted)' : ' (not encrypted)';
  const lines = [`file         ${what.file}${note}`, `peer id      ${peerId}`, `EVM address  ${evmAddress}`];
  output.event(event, { ...data, peerId, evmAddress }, lines);
}
