import { Network } from './gossip/network.ts';
import { fastPlan } from './gossip/plans.ts';
import { stateRow } from './metrics/state.ts';
import { row, type Row } from './report.ts';
import { Field } from './rpc/compare.ts';
import { rateRow } from './rpc/rows.ts';
import { requestBytes } from './rpc/stack.ts';
import { mediansOf } from './turns.ts';

/** More than elsewhere: what is measured is a few parts in a hundred. */
const rounds = 11;
const requests = { inFlight: 64, ms: 800, what: { bodyBytes: requestBytes } };
const messages = { inFlight: 32, ms: 2_500 };
const goal = 0.95;

/** Small requests, many at a time, with everything counted and with nothing. */
function rpcRows(): Promise<Row[]> {
  const [ours, theirs] = ['lloom-unary', 'lloom-uncounted'] as const;
  return Field.with([ours, theirs], async (field) => {
    const all = await field.measure(requests, { rounds });
    const against = 'the same nodes, nothing counted';
    return rateRow(all, { metric: 'metrics.rpc.on-vs-off', ours, theirs, against, goal });
  });
}

/** Messages that reach all of ten nodes, with everything counted and with nothing. */
async function gossipRows(): Promise<Row[]> {
  const networks: Network[] = [];
  try {
    for (const stack of ['ours', 'uncounted'] as const)
      networks.push(await Network.start(fastPlan(stack, 'secp256k1')));
    for (const network of networks) {
      await network.pair();
      await network.closed(messages);
    }
    const [value, baseline] = await mediansOf(
      rounds,
      networks.map((network) => () => network.closed(messages)),
    );
    const measured = {
      value: value!,
      baseline: baseline!,
      unit: '1/s',
      against: 'the same nodes, nothing counted',
    };
    return [row('metrics.gossip.on-vs-off', measured, goal)];
  } finally {
    for (const network of networks) await network.stop();
  }
}

/** What it costs to count, and to tell everything that a node knows of itself. */
export async function metricsSuite(): Promise<Row[]> {
  return [...(await rpcRows()), ...(await gossipRows()), await stateRow()];
}
