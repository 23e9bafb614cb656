import type { RequestHead, RequestMessage } from '@lloom/codec';
import type { Question } from './internal/outcomes.ts';
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
