// Some nodes of bare libp2p that dial the address which is given, and stay connected until they are killed.
import { multiaddr } from '@multiformats/multiaddr';
import { startBareNode } from './bareNode.mjs';
import { tell } from './tell.mjs';

const [address, count] = process.argv.slice(2);
for (let made = 0; made < Number(count); made++) {
  const node = await startBareNode();
  await node.dial(multiaddr(address));
}
tell(null);
