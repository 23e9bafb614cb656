import { lloom } from './generated/lloom.js';
import { decode, encode, type MessageFormat } from './internal/convert.ts';
import { record } from './internal/fields.ts';
import { requestHead, versioned, zeroIsAbsent } from './internal/frameFields.ts';
import { name } from './internal/schema.ts';
import { limits } from './limits.ts';
import type { OpenHead } from './types.ts';

const openHead: MessageFormat<OpenHead> = {
  name: 'OpenHead',
  wire: lloom.OpenHead,
  maxBytes: limits.openHeadBytes,
  fields: versioned(record<OpenHead>({ ...requestHead, method: name, sizeBytes: zeroIsAbsent })),
};

/**
 * The bytes that open a request in a session.
 * @throws {CodecError} `INVALID_FIELD`, or `TOO_LARGE` beyond 8 KiB
 */
export const encodeOpenHead = (head: OpenHead): Uint8Array => encode(openHead, head);

/**
 * What opens a request in a session.
 * @throws {CodecError} `TOO_LARGE`, `MALFORMED`, `INVALID_FIELD`
 */
export const decodeOpenHead = (bytes: Uint8Array): OpenHead => decode(openHead, bytes);
