/**
 * libp2p's own TCP, Noise and Yamux, tuned through the options that they have: what is written within one turn leaves as
 * one, each record is sealed by the fastest cipher for its size, and loggers cost nothing where nobody listens. Beside them, a log
 * whose levels can be changed while a node runs.
 *
 * @packageDocumentation
 */
export { batched } from './adapters/batching.ts';
export { quietLogger } from './adapters/logger.ts';
export { noiseCrypto, noiseCryptoInfo, type NoiseCryptoInfo } from './adapters/noiseCrypto.ts';
export type { NoiseCryptoConfig, StackConfig } from './config.ts';
export { jsonLines, textLines, type WriteLine } from './internal/logLines.ts';
export { createLog } from './logging.ts';
export type { Log, LogConfig, LogFields, LogLevel, LogRecord, LogSink, LogValue } from './ports.ts';
export { createStack, type Stack } from './stack.ts';
