import type { Clock, EventHub, Inspector, Signer, Verifier } from '@lloom/core';
import type { Carriers } from './carriers.ts';
import type { RpcConfig } from './config.ts';
import type { RpcEvents } from './events.ts';
import type { RequestMeter } from './internal/requestMeter.ts';
import { lifecycles, type Lifecycles } from './lifecycle.ts';
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
import type { Network } from './ports.ts';

/** What every request of one service shares. */
export interface RpcRuntime {
  readonly config: Readonly<Required<RpcConfig>>;
  readonly network: Network;
  readonly carriers: Carriers;
  readonly events: EventHub<RpcEvents>;
  readonly clock: Clock;
  readonly signer: Signer | undefined;
  readonly verifier: Verifier | undefined;
  /** Counts requests of this node, and of others. */
  readonly meters: { readonly outbound: RequestMeter; readonly inbound: RequestMeter } | undefined;
  readonly requests: Lifecycles<RequestInput, RequestEvent, RequestState>;
  readonly inbounds: Lifecycles<InboundInput, InboundEvent, InboundState>;
}

/** The machines of one service. Made once: making them costs more than a thousand requests. */
export function createLifecycles(ports: {
  readonly clock: Clock;
  readonly inspect?: Inspector | undefined;
}): Pick<RpcRuntime, 'requests' | 'inbounds'> {
  return { requests: lifecycles(requestMachine, ports), inbounds: lifecycles(inboundMachine, ports) };
}
