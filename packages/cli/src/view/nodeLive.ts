import { createLive, type LabelledActor, type Labels, type LiveMachines } from '@lloom/inspector';

/** Enough for the connections of a node by default and the requests that it carries; further actors are counted. */
const bounds = { maxActors: 1_500, maxEnded: 400, maxSteps: 12 };

/** What requests are called by, and with whom, as their machines begin. */
const labelled = { request: 'requestId', peer: 'peerId', method: 'method' };

/**
 * Follows the machines of a node for its web view: give its `inspect` to the node, and itself to {@link serveView}. It keeps 1,500
 * living actors, the last 400 that have ended, and 12 steps of each.
 *
 * A node that is watched runs its requests as actors, which takes it several times as long.
 */
export function createNodeLive(): LiveMachines {
  return createLive({ ...bounds, labelsOf });
}

function labelsOf({ context }: LabelledActor): Labels {
  const found = Object.entries(labelled).flatMap(([label, field]) => {
    const value = context?.[field];
    return typeof value === 'string' ? [[label, value]] : [];
  });
  return Object.fromEntries(found) as Labels;
}
