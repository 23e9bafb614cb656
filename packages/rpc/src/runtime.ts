import type { Clock, EventHub, Random, Signer, Verifier } from '@lloom/core';
import type { RpcConfig } from './config.ts';
import type { RpcEvents } from './events.ts';
import type { Network, RpcPorts } from './ports.ts';

/** What every request of one service shares. */
export interface RpcRuntime {
  readonly config: Readonly<Required<RpcConfig>>;
  readonly network: Network;
  readonly events: EventHub<RpcEvents>;
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: Signer | undefined;
  readonly verifier: Verifier | undefined;
  /** What every actor is created with. */
  readonly actorConfig: { readonly clock: Clock } & Pick<RpcPorts, 'inspect'>;
}
