/** What a neighbour may do before it is heard less, as data. docs/protocol/gossip.md lists it. */

/** Below these a neighbour is trusted less. */
export const scoreThresholds = Object.freeze({
  /** Its hearsay is ignored, and it is sent none. */
  gossipThreshold: -10,
  /** It is sent nothing of ours. */
  publishThreshold: -50,
  /** It is not heard at all. */
  graylistThreshold: -80,
  /** No score gets there: peers are not introduced by neighbours. */
  acceptPXThreshold: Number.MAX_SAFE_INTEGER,
  /** A mesh whose median lies below looks for better neighbours. Somebody who has delivered lately is above. */
  opportunisticGraftThreshold: 5,
});

/** What is the same for every topic. */
export const topicScore = Object.freeze({
  topicWeight: 1,
  // A neighbour that has stayed is worth a little: 0.01 a second, 3 at most, after five minutes.
  timeInMeshWeight: 0.01,
  timeInMeshQuantum: 1_000,
  timeInMeshCap: 300,
  // Who is first with what is new is worth more: 10 at most, forgotten within a minute.
  firstMessageDeliveriesWeight: 0.5,
  firstMessageDeliveriesDecay: 0.9,
  firstMessageDeliveriesCap: 20,
  // Announcements are rare and come in bursts: to expect a number of them in a time punishes the innocent.
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 1_000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  // Nobody passes on what is invalid, for it is proven first: four such messages at once are the end.
  invalidMessageDeliveriesWeight: -5,
  invalidMessageDeliveriesDecay: 0.97,
});

/** What is counted for each neighbour. */
export const peerScore = Object.freeze({
  /** However many topics are shared: no virtue outweighs the application's word, -100. */
  topicScoreCap: 30,
  /** The application's word counts as it is: from -100 to 100. */
  appSpecificWeight: 1,
  // Offices and relays have many nodes behind one address; local addresses do not count at all.
  IPColocationFactorWeight: -1,
  IPColocationFactorThreshold: 50,
  // Six broken promises or hasty grafts are chance; half of what is held is forgotten in three seconds.
  behaviourPenaltyWeight: -10,
  behaviourPenaltyThreshold: 6,
  behaviourPenaltyDecay: 0.8,
  decayInterval: 1_000,
  decayToZero: 0.1,
  /** How long one that has left is remembered, in ms: it does not come back as a stranger. */
  retainScore: 600_000,
});
