import { RpcError, type ChannelClosedReason } from '../errors.ts';

/** Why nobody can be answered any more, by how the request or its execution ended. */
const reasons: Readonly<Partial<Record<string, ChannelClosedReason>>> = {
  crowdedOut: 'deadline',
  omitted: 'deadline',
  abandoned: 'client gone',
  cancelled: 'client gone',
  lost: 'client gone',
  stopped: 'stopped',
  interrupted: 'stopped',
};

/** What is thrown at, and signalled to, whoever would answer a request that is over. */
export function closedError(requestId: string, state: string): RpcError {
  return new RpcError('CHANNEL_CLOSED', { requestId, reason: reasons[state] ?? 'answered' });
}
