import type { Rpc } from '@lloom/rpc';

/** What a node offers of rpc. */
export type RpcSurface = Pick<
  Rpc,
  | 'request'
  | 'stream'
  | 'sendRequest'
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
    pendingRequests: rpc.pendingRequests.bind(rpc),
    serve: rpc.serve.bind(rpc),
    sendResponse: rpc.sendResponse.bind(rpc),
    sendErrorResponse: rpc.sendErrorResponse.bind(rpc),
    addProtocol: rpc.addProtocol.bind(rpc),
    removeProtocol: rpc.removeProtocol.bind(rpc),
    callProtocol: rpc.callProtocol.bind(rpc) as Rpc['callProtocol'],
  };
}
