import { fromCallback } from 'xstate';
import type { Clock, EventHub, Signer, Verifier } from '@lloom/core';
import type { RpcConfig } from './config.ts';
import type { RpcEvents } from './events.ts';
import { inboundMachine, type InboundEvent, type InboundInput } from './machines/inbound.machine.ts';
import { requestMachine, type RequestEvent, type RequestInput } from './machines/request.machine.ts';
import type { Network, RpcPorts } from './ports.ts';

/** Does the work of one request and tells its machine; the returned function ends the work. */
export type Exchange<Event> = (tell: (event: Event) => void) => () => void;

/** The machines of one service, and the work that waits for them by request id. */
export type RpcMachines = ReturnType<typeof createMachines>;

/**
 * The machines with their effects. Made once a service: making a machine costs more than a whole request. A request
 * leaves its exchange under its id before it starts its actor.
 */
export function createMachines() {
  const outbound = new Map<string, Exchange<RequestEvent>>();
  const inbound = new Map<string, Exchange<InboundEvent>>();
  return {
    outbound,
    inbound,
    request: requestMachine.provide({
      actors: {
        exchange: fromCallback<RequestEvent, RequestInput>(({ sendBack, input }) =>
          begin(outbound, input, sendBack),
        ),
      },
    }),
    served: inboundMachine.provide({
      actors: {
        exchange: fromCallback<InboundEvent, InboundInput>(({ sendBack, input }) =>
          begin(inbound, input, sendBack),
        ),
      },
    }),
  };
}

function begin<Event>(
  exchanges: Map<string, Exchange<Event>>,
  { requestId }: { readonly requestId: string },
  tell: (event: Event) => void,
): () => void {
  const exchange = exchanges.get(requestId);
  exchanges.delete(requestId);
  if (exchange === undefined) throw new Error(`No exchange waits for request "${requestId}"`);
  return exchange(tell);
}

/** What every request of one service shares. */
export interface RpcRuntime {
  readonly config: Readonly<Required<RpcConfig>>;
  readonly network: Network;
  readonly events: EventHub<RpcEvents>;
  readonly clock: Clock;
  readonly signer: Signer | undefined;
  readonly verifier: Verifier | undefined;
  readonly machines: RpcMachines;
  /** Bytes of requests that are being read, all together. */
  readonly unverified: { bytes: number };
  /** What every actor is created with. */
  readonly actorConfig: { readonly clock: Clock } & Pick<RpcPorts, 'inspect'>;
}
