import type { Stack } from './stack.ts';

/** Every stack by its name. A process loads the one that it measures: the others would count as its memory. */
export const stacks = {
  'lloom-unary': async () => (await import('./lloomUnary.ts')).lloomUnary,
  'lloom-bytes': async () => (await import('./lloomUnary.ts')).lloomBytes,
  'lloom-uncounted': async () => (await import('./lloomUnary.ts')).lloomUncounted,
  'lloom-ping': async () => (await import('./lloomPing.ts')).lloomPing,
  'lloom-signed': async () => (await import('./lloomSigned.ts')).lloomSigned,
  'lloom-watched': async () => (await import('./lloomSigned.ts')).lloomWatched,
  'lloom-overload': async () => (await import('./lloomOverload.ts')).lloomOverload,
  'lloom-failover': async () => (await import('./lloomFailover.ts')).lloomFailover,
  'lloom-tokens': async () => (await import('./lloomTokens.ts')).lloomTokens,
  'libp2p-stream': async () => (await import('./libp2pStream.ts')).libp2pStream,
  'libp2p-echo': async () => (await import('./libp2pStream.ts')).libp2pEcho,
  'libp2p-tokens': async () => (await import('./libp2pTokens.ts')).libp2pTokens,
  'batched-stream': async () => (await import('./batchedStream.ts')).batchedStream,
  'grpc-tls': async () => (await import('./grpc.ts')).grpcTls,
  'grpc-insecure': async () => (await import('./grpc.ts')).grpcInsecure,
  nats: async () => (await import('./nats.ts')).nats,
  naive: async () => (await import('./naive.ts')).naive,
} satisfies Readonly<Record<string, () => Promise<Stack>>>;

/** The name of a stack. */
export type StackName = keyof typeof stacks;
