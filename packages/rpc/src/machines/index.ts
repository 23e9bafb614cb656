/**
 * The state machines of this package, for drawing and testing, and what runs them. No promise of stability between versions.
 *
 * @packageDocumentation
 */
export { inboundMachine } from './inbound.machine.ts';
export { requestMachine } from './request.machine.ts';
export {
  lifecycles,
  type Lifecycle,
  type LifecycleOwner,
  type LifecyclePorts,
  type Lifecycles,
} from '../lifecycle.ts';
export type { RequestEvent, RequestInput, RequestState } from './request.machine.ts';
export type { InboundEvent, InboundInput, InboundState } from './inbound.machine.ts';
