import { Identity, LloomBehaviour } from '@lloom/behaviour';
import { Part } from '../part.ts';
import { median, row, type Row } from '../report.ts';
import type { Questions } from './crowd.ts';

const peers = 1_000;
/** So many dial at the same time. */
const batch = 25;
const runs = 21;
const goalMs = 50;

/** How long it takes to export, as text, what a node knows that has a thousand peers. */
export async function stateRow(): Promise<Row> {
  const node = await LloomBehaviour.create(Identity.generate(), {
    addressPolicy: 'loopback',
    maxConnections: 2 * peers,
  });
  const crowd = new Part<Questions>(new URL('crowd.ts', import.meta.url));
  try {
    node.setConnectionLimits({ maxConnectionsPerIp: 2 * peers });
    const [address = ''] = node.listenedAddresses();
    for (let dialled = 0; dialled < peers; dialled += batch)
      await crowd.ask('dial', { address, count: batch });
    const times: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const startMs = performance.now();
      const text = JSON.stringify(node.exportState());
      times.push(performance.now() - startMs);
      if (text.length < peers * 100)
        throw new Error(`A state of ${text.length} characters cannot name ${peers} peers`);
      // The next one must not find this one's garbage.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const measured = { value: median(times), baseline: goalMs, unit: 'ms', against: 'goal' };
    return row('metrics.export-state1000.vs-goal', measured, 1);
  } finally {
    await crowd.kill();
    await node.stop({ drainMs: 0 });
  }
}
