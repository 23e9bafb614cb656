import { layered, type Preset } from './preset.ts';

/**
 * A node that answers requests. Behind a NAT it is reached through relays without being told to. The limits of `packages.rpc`
 * follow from `capacity` and `maxQueuedRequests` there: 4 and twice as many as `capacity` when they are not given.
 *
 * @example
 * ```ts
 * const node = await LloomBehaviour.create(identity, executor({ bootstrapPeers, packages: { rpc: { capacity: 8 } } }));
 * ```
 */
export const executor: Preset = (config) => {
  // Each answer slows the others down, while a place in the queue costs next to nothing.
  const { capacity = 4, maxQueuedRequests = 2 * capacity } = config?.packages?.rpc ?? {};
  // One peer alone leaves others a place.
  const maxQueuedRequestsPerPeer = Math.ceil(maxQueuedRequests / 2);
  // All that may run or wait must be taken in, and pings beside them.
  const maxInboundRequests = Math.max(128, capacity + maxQueuedRequests);
  const rpc = { capacity, maxQueuedRequests, maxQueuedRequestsPerPeer, maxInboundRequests };
  return layered({ packages: { rpc } }, config);
};
