// A node of the kind that it is told, `lloom` or `libp2p`: tells its address, and its memory whenever it is asked. Started with
// `--expose-gc`.
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { tell } from './tell.mjs';

async function startLloom() {
  const { Identity, LloomBehaviour } = await import('@lloom/behaviour');
  const node = await LloomBehaviour.create(Identity.generate(), { addressPolicy: 'loopback' });
  return node.libp2p;
}

async function startLibp2p() {
  const { startBareNode } = await import('./bareNode.mjs');
  return startBareNode();
}

const libp2p = process.argv[2] === 'lloom' ? await startLloom() : await startLibp2p();
tell(libp2p.getMultiaddrs().map(String)[0]);
for await (const _ of createInterface({ input: process.stdin })) {
  // Contents of buffers are given back beside the program, and finalizers make garbage in turn.
  for (let times = 0; times < 5; times++) {
    await globalThis.gc({ type: 'major', execution: 'async', flavor: 'last-resort' });
    await pause(50);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  tell({ rss, heap: heapUsed + external, connections: libp2p.getConnections().length });
}
