import { isCodedError, LloomError, type CodeTable, type EvmAddress, type Hex } from '@lloom/core';

/** Why a signature was refused. */
export type SignatureProblem = 'length' | 'recoveryId' | 'highS' | 'unrecoverable' | 'otherSigner';

/** What is wrong with a streamed answer. */
export type AnswerProblem =
  | 'executor'
  | 'signature'
  | 'request'
  | 'text'
  | 'prefix'
  | 'index'
  | 'tokens'
  | 'cost'
  | 'afterEnd'
  | 'type'
  | 'audience';

/** The data of each {@link IdentityError} code. */
export interface IdentityErrorData {
  /** A field of the envelope cannot be read; nothing was verified. */
  MALFORMED: { readonly field: string; readonly wanted: string };
  /** The signature does not prove that `claimed` signed exactly this envelope in this domain. */
  BAD_SIGNATURE: { readonly reason: SignatureProblem; readonly claimed: EvmAddress };
  /** The signature is good, and somebody else's than was expected. */
  WRONG_SIGNER: { readonly got: EvmAddress; readonly wanted: EvmAddress };
  /** What is shown as payload is not what the signed bytes say. */
  PAYLOAD_MISMATCH: { readonly reason: 'unreadable' | 'different' };
  /** The envelope stopped being valid `lateMs` ago, by this clock. */
  EXPIRED: { readonly expiresMs: number; readonly nowMs: number; readonly lateMs: number };
  /** The envelope was signed `aheadMs` in the future, by this clock. */
  NOT_YET_VALID: {
    readonly timestampMs: number;
    readonly nowMs: number;
    readonly aheadMs: number;
    readonly allowedMs: number;
  };
  /** The envelope would stay valid for longer than nonces are remembered. */
  LIFETIME_TOO_LONG: { readonly lifetimeMs: number; readonly limitMs: number };
  /** The envelope is meant for somebody else. */
  WRONG_AUDIENCE: { readonly got: EvmAddress; readonly wanted: readonly EvmAddress[] };
  /** The envelope holds another type of payload than belongs here. */
  WRONG_TYPE: { readonly got: string; readonly wanted: string };
  /** The envelope answers something else. */
  WRONG_REPLY: { readonly got: Hex; readonly wanted: Hex };
  /** This signer's nonce was accepted before. */
  REPLAYED: { readonly signer: EvmAddress; readonly nonce: Hex };
  /** The envelope is older than what the replay guard remembers: it may have been accepted before. */
  OLDER_THAN_START: { readonly timestampMs: number; readonly startedMs: number };
  /** The replay guard has no room: for this signer, or for anybody. */
  GUARD_FULL: { readonly scope: 'signer' | 'all'; readonly limit: number };
  /** The replay guard could not write down the nonce, or is closed; the envelope was not accepted. */
  GUARD_UNAVAILABLE: { readonly reason: 'closed' | 'datastore' };
  /** A part of a streamed answer does not fit what was signed; `part` counts from 0. */
  WRONG_ANSWER: { readonly part: number; readonly reason: AnswerProblem };
  /** The private key cannot be used. The key is never part of the error. */
  INVALID_KEY: { readonly reason: 'format' | 'range' };
  /** The peer's key is not secp256k1, so nothing can be signed for it alone. */
  NO_ADDRESS: { readonly peerId: string };
  /** There is no such file. */
  FILE_NOT_FOUND: { readonly path: string };
  /** There is a file already, and it was not to be overwritten. */
  FILE_EXISTS: { readonly path: string };
  /** The file holds an unencrypted key that other users of the machine may read or change. */
  FILE_READABLE_BY_OTHERS: { readonly path: string; readonly mode: string };
  /** The file is no key file, or a damaged one. */
  FILE_CORRUPT: { readonly path: string; readonly reason: string };
  /** The system refused to read or write the file. */
  FILE_FAILED: { readonly path: string; readonly systemCode: string };
  /** The key in the file is encrypted, or is to be, and there is no passphrase. */
  PASSPHRASE_REQUIRED: { readonly path: string };
  /** The passphrase does not open the file. */
  WRONG_PASSPHRASE: { readonly path: string };
}

/** Closed codes of {@link IdentityError}. */
export type IdentityErrorCode = keyof IdentityErrorData;

const signatureProblems: Readonly<Record<SignatureProblem, string>> = {
  length: 'it is not 65 bytes long',
  recoveryId: 'its last byte is neither 27 nor 28',
  highS: 'its s is in the upper half, which makes a second signature of the first',
  unrecoverable: 'no key can have made it',
  otherSigner: 'another key made it, or what it covers was changed',
};

const answerProblems: Readonly<Record<AnswerProblem, string>> = {
  executor: 'its executor is unknown or did not sign it',
  signature: 'its signature does not hold',
  request: 'it answers another request',
  text: 'its text is not what was signed',
  prefix: 'the text before its executor began is not what was signed',
  index: 'its segment is out of order',
  tokens: 'its tokens are not what was signed',
  cost: 'its cost is lower than that of the segment before',
  afterEnd: 'its executor had finished',
  type: 'its signature is not over a segment',
  audience: 'its segment is meant for somebody else',
};

const table: CodeTable<IdentityErrorData> = {
  MALFORMED: {
    message: ({ field, wanted }) => `Cannot read envelope: "${field}" is not ${wanted}`,
    retryable: false,
    hint: 'Pass the envelope as the codec decoded it or as it was signed.',
  },
  BAD_SIGNATURE: {
    message: ({ reason, claimed }) => `Cannot accept signature of ${claimed}: ${signatureProblems[reason]}`,
    retryable: false,
    hint: 'Drop it. If it is your own, check that both sides use the same chainId and verifyingContract.',
  },
  WRONG_SIGNER: {
    message: ({ got, wanted }) => `Cannot accept envelope: signed by ${got}, want ${wanted}`,
    retryable: false,
    hint: 'The sender relays somebody else, or the peer you asked is not the one you expected.',
  },
  PAYLOAD_MISMATCH: {
    message: ({ reason }) =>
      `Cannot accept envelope: its signed bytes ${reason === 'unreadable' ? 'are no payload of that type' : 'say something else than its payload'}`,
    retryable: false,
    hint: 'Never change a signed message; decode its payload from "payloadBytes".',
  },
  EXPIRED: {
    message: ({ lateMs }) => `Cannot accept envelope: it expired ${lateMs} ms ago by this clock`,
    retryable: false,
    hint: 'Sign again. If it was just signed, one of the clocks is off by about the time in the message: set both by NTP.',
  },
  NOT_YET_VALID: {
    message: ({ aheadMs, allowedMs }) =>
      `Cannot accept envelope: it was signed ${aheadMs} ms in the future by this clock, limit is ${allowedMs} ms`,
    retryable: true,
    hint: 'One of the clocks is off by about the time in the message: set both by NTP.',
  },
  LIFETIME_TOO_LONG: {
    message: ({ lifetimeMs, limitMs }) =>
      `Cannot accept envelope: it is valid for ${lifetimeMs} ms, limit is ${limitMs} ms`,
    retryable: false,
    hint: 'Sign with a smaller ttlMs.',
  },
  WRONG_AUDIENCE: {
    message: ({ got, wanted }) =>
      `Cannot accept envelope: it is meant for ${got}, want ${wanted.join(' or ') || 'nobody'}`,
    retryable: false,
    hint: 'Sign with "to" set to the receiver; the zero address passes only where the receiver allows it.',
  },
  WRONG_TYPE: {
    message: ({ wanted }) => `Cannot accept envelope: it holds another payload than "${wanted}"`,
    retryable: false,
    hint: 'The sender mixed up two messages.',
  },
  WRONG_REPLY: {
    message: ({ got, wanted }) => `Cannot accept envelope: it answers ${got}, want ${wanted}`,
    retryable: false,
    hint: 'The answer belongs to another request.',
  },
  REPLAYED: {
    message: ({ signer, nonce }) => `Cannot accept envelope: ${signer} used nonce ${nonce} before`,
    retryable: false,
    hint: 'Sign again for each attempt; each signature works once.',
  },
  OLDER_THAN_START: {
    message: ({ timestampMs, startedMs }) =>
      `Cannot accept envelope: it was signed ${startedMs - timestampMs} ms before this replay guard began to remember`,
    retryable: false,
    hint: 'Sign again. Give the guard a datastore so that it remembers across restarts; restart it when its clock was set back.',
  },
  GUARD_FULL: {
    message: ({ scope, limit }) =>
      `Cannot accept envelope: the replay guard holds ${limit} nonces${scope === 'signer' ? ' of this signer' : ''}, which is its limit`,
    retryable: true,
    hint: 'Room comes back as envelopes expire: wait, sign with a smaller ttlMs, or raise the limit.',
  },
  GUARD_UNAVAILABLE: {
    message: ({ reason }) =>
      `Cannot accept envelope: the replay guard ${reason === 'closed' ? 'is closed' : 'could not write down the nonce'}`,
    retryable: true,
    hint: 'See "cause" for what the datastore said.',
  },
  WRONG_ANSWER: {
    message: ({ part, reason }) => `Cannot accept answer: part ${part} is wrong, ${answerProblems[reason]}`,
    retryable: false,
    hint: 'Pay for the parts before it only; keep all parts as evidence.',
  },
  INVALID_KEY: {
    message: ({ reason }) =>
      `Cannot use private key: ${reason === 'format' ? 'want 64 hexadecimal digits, with or without 0x' : 'it is zero or beyond the order of the curve'}`,
    retryable: false,
    hint: 'Check that the whole key was copied; create a new one with Identity.generate().',
  },
  NO_ADDRESS: {
    message: ({ peerId }) =>
      `Cannot sign for peer "${peerId}": its key is not secp256k1, so it has no EVM address`,
    retryable: false,
    hint: 'Sign for everybody by leaving out `to`, or for the address that the peer names.',
  },
  FILE_NOT_FOUND: {
    message: ({ path }) => `Cannot load key from "${path}": there is no such file`,
    retryable: false,
    hint: 'Check the path, or create a key with Identity.generate() and save it there.',
  },
  FILE_EXISTS: {
    message: ({ path }) => `Cannot save key to "${path}": there is a file already`,
    retryable: false,
    hint: 'Choose another path, or pass { overwrite: true } when the old key may be lost for good.',
  },
  FILE_READABLE_BY_OTHERS: {
    message: ({ path, mode }) =>
      `Cannot load key from "${path}": its mode is ${mode}, want 600, run: chmod 600 ${shellQuoted(path)}`,
    retryable: false,
    hint: 'Other users may have read the key: run the command, and think of a new key.',
  },
  FILE_CORRUPT: {
    message: ({ path, reason }) => `Cannot load key from "${path}": ${reason}`,
    retryable: false,
    hint: 'Restore the file from a backup.',
  },
  FILE_FAILED: {
    message: ({ path, systemCode }) => `Cannot use key file "${path}": the system says ${systemCode}`,
    retryable: false,
    hint: 'Check that the folder exists, and its permissions and free space.',
  },
  PASSPHRASE_REQUIRED: {
    message: ({ path }) => `Cannot use key file "${path}": want a passphrase that is not empty`,
    retryable: false,
    hint: 'Pass { passphrase }.',
  },
  WRONG_PASSPHRASE: {
    message: ({ path }) => `Cannot load key from "${path}": the passphrase does not open it`,
    retryable: false,
    hint: 'Type it again; a damaged ciphertext looks the same, so try a backup when you are sure.',
  },
};

/** A key, key file, signature or envelope that cannot be used. Holds no secret. */
export class IdentityError<C extends IdentityErrorCode = IdentityErrorCode> extends LloomError<
  C,
  IdentityErrorData[C]
> {
  constructor(code: C, data: IdentityErrorData[C], options: { cause?: unknown } = {}) {
    super('IdentityError', table[code], { code, data, ...options });
  }

  /** Whether `error` is an `IdentityError`, with that code when one is given. */
  static is<C extends IdentityErrorCode>(error: unknown, code?: C): error is IdentityError<C> {
    return isCodedError(error, 'IdentityError', code);
  }
}

function shellQuoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
