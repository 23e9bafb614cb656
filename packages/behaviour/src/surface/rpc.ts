import type { Rpc } from '@lloom/rpc';

/** What a node offers of rpc. */
export type RpcSurface = Pick<
  Rpc,
  | 'request'
  | 'stream'
  | 'sendRequest'
  | 'sendRequestWithRetry'
  | 'retryRequest'
  | 'resendRequest'
  | 'trackRequest'
  | 'findAlternativePeer'
  | 'use'
  | 'pendingRequests'
  | 'serve'
  | 'sendResponse'
  | 'sendErrorResponse'
  | 'addProtocol'
  | 'removeProtocol'
  | 'callProtocol'
>;

/** The calls of rpc, bound to one service. */
export function rpcSurface(rpc: Rpc): RpcSurface {
  return {
    request: rpc.request.bind(rpc) as Rpc['request'],
    stream: rpc.stream.bind(rpc),
    sendRequest: rpc.sendRequest.bind(rpc),
    sendRequestWithRetry: rpc.sendRequestWithRetry.bind(rpc),
    retryRequest: rpc.retryRequest.bind(rpc),
    resendRequest: rpc.resendRequest.bind(rpc),
    trackRequest: rpc.trackRequest.bind(rpc),
    findAlternativePeer: rpc.findAlternativePeer.bind(rpc),
    use: rpc.use.bind(rpc),
    pendingRequests: rpc.pendingRequests.bind(rpc),
    serve: rpc.serve.bind(rpc),
    sendResponse: rpc.sendResponse.bind(rpc),
    sendErrorResponse: rpc.sendErrorResponse.bind(rpc),
    addProtocol: rpc.addProtocol.bind(rpc),
    removeProtocol: rpc.removeProtocol.bind(rpc),
    callProtocol: rpc.callProtocol.bind(rpc) as Rpc['callProtocol'],
  };
}
