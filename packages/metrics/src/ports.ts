import type { CommonPorts } from '@lloom/core';
import type { Registry } from 'prom-client';

/** What metrics may be given from outside. */
export interface MetricsPorts extends Omit<CommonPorts, 'meter' | 'random'> {
  /**
   * Where the families are registered, such as the registry of an application. Several nodes may share one: each of their
   * figures then carries the label `node`, with the end of the node's peer id, from its start to its stop. What else is in it
   * stays as it is: a family by a name that somebody else has registered is not shown.
   * @default one of its own, without that label
   */
  readonly registry?: Registry;
  /**
   * What tells the nodes of one registry apart. A second one of the same name gets `-2` at the end, and so on.
   * @default the last eight characters of the peer id
   */
  readonly node?: string;
  /** What only the composition of a node knows. @default 0 for each */
  readonly sources?: MetricsSources;
}

/** Figures that come from elsewhere. Quick, and asked only when somebody looks. */
export interface MetricsSources {
  /** Peers with an open connection. */
  readonly connectedPeers: () => number;
  /** Requests under way, asked and answered. */
  readonly activeRequests: () => number;
}
