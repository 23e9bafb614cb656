import { errorText, LloomError } from '@lloom/core';
import type { ResolvedNetworkConfig } from '../config.ts';
import { BehaviourError } from '../errors.ts';

/** What the system says when it cannot listen, in words. */
const listenReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not use the port',
};

/** What is told of a node that could not be started. */
export function startError(
  error: unknown,
  { listenAddresses }: Pick<ResolvedNetworkConfig, 'listenAddresses'>,
): unknown {
  if (LloomError.isLloomError(error)) return error;
  const text = errorText(error, 2_000);
  const code = Object.keys(listenReasons).find((key) => text.includes(key));
  const isListen =
    code !== undefined || (error instanceof Error && error.name === 'UnsupportedListenAddressesError');
  if (!isListen) return new BehaviourError('START_FAILED', { reason: errorText(error) }, { cause: error });
  const reason = code === undefined ? 'libp2p cannot use them' : listenReasons[code]!;
  return new BehaviourError('LISTEN_FAILED', { addresses: listenAddresses, reason }, { cause: error });
}
