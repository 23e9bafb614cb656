import type { LoopbackConfig } from '@lloom/core/loopback';

/** How a node does, in the figures of the specification. */
export interface NetworkMetrics {
  /** Peers with at least one open connection. */
  readonly connectedPeers: number;
  /** Requests and answers that were sent, and gossip messages that were published, since the node was created. */
  readonly messagesSent: number;
  /** Requests and answers that arrived whole, and gossip messages that were accepted, since then. */
  readonly messagesReceived: number;
  /** Requests under way: those of this node, and those of others that are being read, handled or answered. */
  readonly activeRequests: number;
  /** What arrived lately, in kilobytes of 1,000 bytes per second, everything that went over connections counted. */
  readonly bandwidthInKbps: number;
  /** What was sent lately, in the same unit. */
  readonly bandwidthOutKbps: number;
  /** What arrived lately, in bytes per second. */
  readonly bandwidthInBytesPerSecond: number;
  /** What was sent lately, in bytes per second. */
  readonly bandwidthOutBytesPerSecond: number;
  /** What arrived since the node was created, in bytes. */
  readonly bytesIn: number;
  /** What was sent since then, in bytes. */
  readonly bytesOut: number;
}

/** What one protocol costs. */
export interface ProtocolMetrics {
  /** As libp2p negotiates it; `other` for what came when there were too many to tell apart. */
  readonly protocol: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Streams that were opened, by either side. */
  readonly streams: number;
  /** Streams that are open now. */
  readonly openStreams: number;
}

/** Where Prometheus may fetch the figures. */
export type EndpointConfig = LoopbackConfig;

/** An endpoint that is open. */
export interface MetricsEndpoint {
  /** Where it answers, such as `http://127.0.0.1:9464/metrics`. */
  readonly url: string;
  /** What whoever reads it says as `Authorization: Bearer`. */
  readonly token: string;
  /** Closes it, and what is open to it. Harmless when it is closed. */
  close(): Promise<void>;
}
