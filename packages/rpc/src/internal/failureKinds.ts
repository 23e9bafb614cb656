import { RpcError, type RpcErrorCode } from '../errors.ts';

/** What a failure means for the request, and for the peer that was asked. */
export interface FailureKind {
  /** Who may be asked next: the same peer too, only another one, or nobody because it would end the same way. */
  readonly again: 'anywhere' | 'elsewhere' | 'never';
  /** Whether the peer may have run the request. */
  readonly mayHaveRun: boolean;
  /** What it says of the peer: it works, it fails, it has no room, or nothing. */
  readonly peer: 'works' | 'fails' | 'busy' | 'unknown';
}

const kind = (again: FailureKind['again'], peer: FailureKind['peer'], mayHaveRun: boolean): FailureKind => ({
  again,
  peer,
  mayHaveRun,
});

const kinds: Readonly<Record<RpcErrorCode, FailureKind>> = {
  TIMEOUT: kind('never', 'fails', true),
  DIAL_TIMEOUT: kind('anywhere', 'fails', false),
  FIRST_BYTE_TIMEOUT: kind('anywhere', 'fails', true),
  IDLE_TIMEOUT: kind('anywhere', 'fails', true),
  CANCELLED: kind('never', 'unknown', true),
  DIAL_FAILED: kind('anywhere', 'fails', false),
  UNSUPPORTED_PROTOCOL: kind('elsewhere', 'works', false),
  CONNECTION_CLOSED: kind('anywhere', 'fails', true),
  OMITTED: kind('anywhere', 'fails', true),
  INVALID_RESPONSE: kind('elsewhere', 'fails', true),
  TOO_LARGE: kind('never', 'works', true),
  SIGNATURE_INVALID: kind('elsewhere', 'fails', true),
  AUDIENCE_MISMATCH: kind('never', 'unknown', false),
  PARTIAL_ANSWER: kind('never', 'unknown', true),
  PENDING_LIMIT: kind('never', 'unknown', false),
  PEER_AVOIDED: kind('anywhere', 'unknown', false),
  REMOTE: kind('anywhere', 'fails', true),
  NO_HANDLER: kind('elsewhere', 'works', false),
  BUSY: kind('anywhere', 'busy', false),
  RATE_LIMITED: kind('anywhere', 'busy', false),
  SIGNATURE_REFUSED: kind('elsewhere', 'works', false),
  MODEL_UNAVAILABLE: kind('elsewhere', 'works', false),
  PRICE_EXCEEDED: kind('elsewhere', 'works', false),
  INVALID_REQUEST: kind('never', 'works', false),
  UNSUPPORTED_MESSAGE: kind('elsewhere', 'works', false),
  IDEMPOTENCY_CONFLICT: kind('never', 'works', false),
  CANNOT_CONTINUE: kind('elsewhere', 'works', false),
  REQUEST_LOST: kind('elsewhere', 'works', true),
  MIDDLEWARE_FAILED: kind('never', 'unknown', false),
  RELAY_LIMIT: kind('elsewhere', 'works', true),
  CHANNEL_CLOSED: kind('never', 'unknown', false),
  UNKNOWN_REQUEST: kind('never', 'unknown', false),
  PROTOCOL_EXISTS: kind('never', 'unknown', false),
  UNKNOWN_PROTOCOL: kind('never', 'unknown', false),
  MISSING_PORT: kind('never', 'unknown', false),
  STOPPED: kind('never', 'unknown', true),
};

/** Who has had so much time and has not answered fails. */
const patienceMs = 5_000;

/** What a failure means. */
export function kindOf(error: RpcError): FailureKind {
  const found = kinds[error.code];
  if (RpcError.is(error, 'CONNECTION_CLOSED') && error.data.outcome === 'not sent')
    return { ...found, mayHaveRun: false };
  if (RpcError.is(error, 'TIMEOUT')) {
    const { stage, limitMs } = error.data;
    // A caller in a hurry says nothing of the peer.
    const peer = limitMs < patienceMs ? 'unknown' : 'fails';
    return { ...found, peer, mayHaveRun: stage !== 'dialing' };
  }
  if (RpcError.is(error, 'RELAY_LIMIT') && error.data.by === 'this node')
    return { ...found, mayHaveRun: false };
  if (RpcError.is(error, 'TOO_LARGE') && error.data.what === 'request')
    return { ...found, mayHaveRun: false };
  return found;
}

/** For how long the peer wants to be left alone, as it says itself; 0 when it says nothing. In ms. */
export function retryAfterMsOf(error: RpcError): number {
  const { retryAfterMs } = error.data as { retryAfterMs?: number };
  return retryAfterMs ?? 0;
}
