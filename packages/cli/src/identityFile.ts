import { Identity, IdentityError } from '@lloom/identity';
import { readPassphrase } from './passphrase.ts';
import type { Session } from './session.ts';

/** Where an identity comes from. */
export interface IdentitySource {
  readonly identity?: string | undefined;
  readonly passphraseFile?: string | undefined;
}

/**
 * The identity of a file, asking for its passphrase when it has one; a throw-away one without a file.
 * @throws {IdentityError} when the file cannot be used; `CliError` when there is no passphrase
 */
export async function obtainIdentity(source: IdentitySource, session: Session): Promise<Identity> {
  if (source.identity !== undefined) return loadIdentity(source.identity, { source, session });
  session.output.note(
    'Using a throw-away key: this node has another name next time. Keep one with --identity FILE.',
  );
  return Identity.generate();
}

/** The identity of a file. */
export async function loadIdentity(
  file: string,
  { source, session }: { readonly source: IdentitySource; readonly session: Session },
): Promise<Identity> {
  try {
    return await Identity.load(file);
  } catch (error) {
    if (!IdentityError.is(error, 'PASSPHRASE_REQUIRED')) throw error;
  }
  const from = { file: source.passphraseFile, interruption: session.interruption };
  const passphrase = await readPassphrase(from, { identityFile: file, confirm: false });
  return Identity.load(file, { passphrase });
}
