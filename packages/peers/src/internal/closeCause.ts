import { errorText } from '@lloom/core';

import type { CloseCause, CloseCode } from '../events.ts';

const codes: Readonly<Record<string, CloseCode>> = {
  ECONNRESET: 'RESET',
  EPIPE: 'RESET',
  ECONNABORTED: 'RESET',
  // The network says that there is no way any more.
  ENETDOWN: 'RESET',
  ENETRESET: 'RESET',
  ENETUNREACH: 'RESET',
  EHOSTDOWN: 'RESET',
  EHOSTUNREACH: 'RESET',
  StreamResetError: 'RESET',
  StreamClosedError: 'RESET',
  UnexpectedEOFError: 'RESET',
  // The peer has closed the muxer, after which the connection carries nothing, and has left the connection open.
  ConnectionClosedError: 'RESET',
  MuxerClosedError: 'RESET',
  ETIMEDOUT: 'TIMEOUT',
  TimeoutError: 'TIMEOUT',
  AbortError: 'TIMEOUT',
};

/** What ended a connection that this package did not close itself; `undefined` when it was closed properly. */
export function closeCauseOf(error: unknown): CloseCause | undefined {
  if (error === undefined || error === null) return undefined;
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  const known = [code, name].find(
    (key): key is string => typeof key === 'string' && Object.hasOwn(codes, key),
  );
  return { code: (known !== undefined && codes[known]) || 'ERROR', message: errorText(error) };
}
