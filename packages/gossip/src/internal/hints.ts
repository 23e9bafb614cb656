import type { DegradedReason } from '../types.ts';

/** What can be done about a topic or node that is degraded, in one sentence. */
export const hints: Readonly<Record<DegradedReason, string>> = {
  NO_PEERS: 'Join the network (bootstrap), and check that others subscribe to exactly this name.',
  NO_MESH:
    'Wait for a few heartbeats; if it goes on, the neighbours have full meshes or hold something against this node, so connect to more peers and look at peerScores().',
  THIN_MESH: 'Connect to more peers of the topic, or wait: neighbours that refused lately are asked again.',
  OVERLOADED: 'Make the validators faster, or raise maxPendingValidations.',
  CLOCK_SKEW: 'Set the clock of this machine.',
};

/** The hint about clocks, with how far others are ahead of this node's, in ms. */
export function skewHint(offsetMs: number): string {
  const seconds = Math.round(Math.abs(offsetMs) / 1_000);
  const amount = seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
  return `The clocks of others are about ${amount} ${offsetMs > 0 ? 'ahead of' : 'behind'} this node's: set the clock of this machine.`;
}
