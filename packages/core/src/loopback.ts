/**
 * HTTP servers on this machine alone, which a page in one of its browsers can send requests to and reads nothing of: Host,
 * Origin and a token are looked at before anything else is done.
 *
 * @packageDocumentation
 */
export {
  resolveLoopbackConfig,
  resolveReachableConfig,
  type LoopbackConfig,
  type ReachableConfig,
  type ResolvedLoopbackConfig,
} from './loopback/config.ts';
export { LoopbackError, type LoopbackErrorCode, type LoopbackErrorData } from './loopback/errors.ts';
export { openLoopback } from './loopback/server.ts';
export type {
  LoopbackContent,
  LoopbackDenial,
  LoopbackExchange,
  LoopbackLimits,
  LoopbackPath,
  LoopbackRules,
  LoopbackServe,
  LoopbackServer,
} from './loopback/types.ts';
