/**
 * What turns a node into an executor: backends that produce text, and the handler that prices, counts and limits.
 * The `lloom` command of this package is made of the same parts.
 *
 * @packageDocumentation
 */
export type { Backend, BackendChunk, BackendEnd, GenerateConfig } from './backends/backend.ts';
export { BackendError, type BackendErrorCode, type BackendErrorData } from './backends/errors.ts';
export { offlineBackend, type OfflineConfig } from './backends/offline.ts';
export { openaiBackend, type Continuation, type OpenaiConfig, type OpenaiModel } from './backends/openai.ts';
export { countChatTokens, countRequestTokens, countTokens, splitTokens } from './backends/tokens.ts';
export { executorHandler, type ExecutorConfig, type RequestReport } from './executor.ts';
export type { GatewayConfig, GatewayReport } from './gateway/config.ts';
export { GatewayError, type GatewayErrorCode, type GatewayErrorData } from './gateway/errors.ts';
export type { GatewayPolicy } from './gateway/policies.ts';
export { serveGateway, type Gateway, type GatewayNode } from './gateway/serveGateway.ts';
export { createNodeLive } from './view/nodeLive.ts';
export { serveView, type ViewConfig, type WebView } from './view/serveView.ts';
