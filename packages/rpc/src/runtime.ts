import type { Clock, EventHub, Inspector, Reports, Signer, Verifier } from '@lloom/core';
import type { CallPeers } from './callPeers.ts';
import type { Carriers } from './carriers.ts';
import type { RpcConfig } from './config.ts';
import type { RpcEvents } from './events.ts';
import type { Paces } from './internal/pace.ts';
import type { RequestWatch } from './internal/requestWatch.ts';
import type { Usage } from './internal/usage.ts';
import { lifecycles, type Lifecycles } from './lifecycle.ts';
import {
  executionMachine,
  type ExecutionEvent,
  type ExecutionInput,
  type ExecutionState,
} from './machines/execution.machine.ts';
import {
  inboundMachine,
  type InboundEvent,
  type InboundInput,
  type InboundState,
} from './machines/inbound.machine.ts';
import {
  requestMachine,
  type RequestEvent,
  type RequestInput,
  type RequestState,
} from './machines/request.machine.ts';
import { retryMachine, type RetryEvent, type RetryInput, type RetryState } from './machines/retry.machine.ts';
import type { Network, PeerFact, RelayBudget } from './ports.ts';
import type { Middleware } from './types.ts';

/** What every request of one service shares. */
export interface RpcRuntime {
  readonly config: Readonly<Required<RpcConfig>>;
  readonly network: Network;
  readonly carriers: Carriers;
  readonly events: EventHub<RpcEvents>;
  readonly clock: Clock;
  readonly signer: Signer | undefined;
  readonly verifier: Verifier | undefined;
  /** Counts requests of this node and of others, follows them, and notes how they ended. */
  readonly watch: RequestWatch;
  /** Whom this node may ask. */
  readonly peers: CallPeers;
  /** How fast they have answered. */
  readonly paces: Paces;
  /** With whom requests are under way. */
  readonly usage: Usage;
  /** Tells what they do. */
  readonly reports: Reports<PeerFact>;
  /** What stands around every request, the outermost first; replaced as a whole. */
  readonly middleware: readonly Middleware[];
  readonly relayBudget: RelayBudget | undefined;
  readonly retries: Lifecycles<RetryInput, RetryEvent, RetryState>;
  readonly requests: Lifecycles<RequestInput, RequestEvent, RequestState>;
  readonly inbounds: Lifecycles<InboundInput, InboundEvent, InboundState>;
  readonly executions: Lifecycles<ExecutionInput, ExecutionEvent, ExecutionState>;
}

/** The machines of one service. Made once: making them costs more than a thousand requests. */
export function createLifecycles(ports: {
  readonly clock: Clock;
  readonly inspect?: Inspector | undefined;
}): Pick<RpcRuntime, 'requests' | 'retries' | 'inbounds' | 'executions'> {
  return {
    requests: lifecycles(requestMachine, ports),
    retries: lifecycles(retryMachine, ports),
    inbounds: lifecycles(inboundMachine, ports),
    executions: lifecycles(executionMachine, ports),
  };
}
