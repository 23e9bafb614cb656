import type { Libp2p } from '@libp2p/interface';
import type { Peers } from '@lloom/peers';

/**
 * What is measured: the service on the tuned stack, the service on libp2p's own parts, or libp2p as it comes. All have
 * identify and ping.
 */
export type StackName = 'tuned' | 'service' | 'stock';

/** A node on loopback. */
export interface BenchNode {
  readonly libp2p: Libp2p;
  /** Absent on libp2p as it comes. */
  readonly peers?: Peers;
  /** Connects as a user of that stack does; the result hangs up, and resolves when the connection is closed. */
  dial(target: Target): Promise<() => Promise<void>>;
}

/** Somebody to dial. */
export interface Target {
  readonly peerId: string;
  /** With the peer id at its end. */
  readonly address: string;
}

/** How a node is set up. */
export interface NodePlan {
  readonly stack: StackName;
  /** How many connections it keeps. @default that of the stack */
  readonly maxConnections?: number;
  /** libp2p's monitor pings as ever, and ends no connection: on a busy machine it ends them all. @default false */
  readonly isPatient?: boolean;
}

/** Starts a node. */
export type CreateNode = (plan: NodePlan) => Promise<BenchNode>;

/**
 * All come from one address, of which libp2p takes five connections a second: enough to turn every benchmark away, and
 * nothing that would stop attackers who have many addresses.
 */
export const inboundConnectionThreshold = 100_000;

/** What the node under a storm speaks: it gives back what it is sent, on a stream that stays. */
export const echoProtocol = '/bench/echo/1.0.0';

/** Far beyond any dial. */
export const dialSignal = (): AbortSignal => AbortSignal.timeout(10_000);

/** Where a node is reached. */
export function targetOf({ libp2p }: BenchNode): Target {
  return { peerId: libp2p.peerId.toString(), address: String(libp2p.getMultiaddrs()[0]) };
}

/** Loads the stack that is measured, and not the others. */
export async function createNode(plan: NodePlan): Promise<BenchNode> {
  const { create }: { readonly create: CreateNode } =
    plan.stack === 'stock' ? await import('./stockNode.ts') : await import('./serviceNode.ts');
  return create(plan);
}
