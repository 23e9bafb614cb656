/**
 * The state machines of this package, for drawing and testing, and what runs them. No promise of stability between versions.
 *
 * @packageDocumentation
 */
export { breakerMachine } from './breaker.machine.ts';
export { executionMachine } from './execution.machine.ts';
export { inboundMachine } from './inbound.machine.ts';
export { requestMachine } from './request.machine.ts';
export { retryMachine } from './retry.machine.ts';
export {
  lifecycles,
  type Lifecycle,
  type LifecycleOwner,
  type LifecyclePorts,
  type Lifecycles,
} from '../lifecycle.ts';
export type { RequestEvent, RequestInput, RequestState } from './request.machine.ts';
export type { ExecutionEvent, ExecutionInput, ExecutionState } from './execution.machine.ts';
export type { InboundEvent, InboundInput, InboundState } from './inbound.machine.ts';
export type { RetryEvent, RetryInput, RetryOutcome, RetryState } from './retry.machine.ts';
export type { BreakerEvent, BreakerInput, BreakerState } from './breaker.machine.ts';
