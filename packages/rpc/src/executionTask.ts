import type { RequestHead, RequestMessage } from '@lloom/codec';
import type { Execution } from './execution.ts';
import type { Question } from './internal/outcomes.ts';
import type { Slots } from './internal/slots.ts';
import type { ExecutionState } from './machines/execution.machine.ts';
import type { Handler, ResponseChannel } from './types.ts';

/** Tells about a request that is run, and says who answers it; `undefined`: somebody does already. */
export type Dispatch = (request: RequestMessage, channel: ResponseChannel) => Handler | 'pong' | undefined;

/** What is executed. */
export interface Task {
  readonly message: RequestMessage;
  readonly head: RequestHead;
  /** By what it is known; `undefined` for what is forgotten with its request, as pings are. */
  readonly question: Question | undefined;
}

/** What an execution needs of the service. */
export interface ExecutionHost {
  readonly dispatch: Dispatch;
  readonly slots: Slots;
  /** Notes that a question is about to be run. @throws when it cannot be: then it is not run */
  readonly note: ((execution: Execution, question: Question) => Promise<void>) | undefined;
  /** Called once, when it has ended. Its handler may still be working. */
  readonly onEnd: (execution: Execution, state: ExecutionState) => void;
}
