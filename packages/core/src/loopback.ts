/**
 * HTTP servers on this machine alone, which a page in one of its browsers can send requests to and reads nothing of: Host,
 * Origin and a token are looked at before anything else is done.
 *
 * @packageDocumentation
 */
export {
  resolveLoopbackConfig,
  type LoopbackConfig,
  type ResolvedLoopbackConfig,
} from './loopback/config.ts';
export { LoopbackError, type LoopbackErrorCode, type LoopbackErrorData } from './loopback/errors.ts';
export {
  openLoopback,
  type LoopbackContent,
  type LoopbackDenial,
  type LoopbackExchange,
  type LoopbackLimits,
  type LoopbackRules,
  type LoopbackServer,
} from './loopback/server.ts';
