// How long after its start a process has dialled the address that it is given, and read its first bytes back.
import { multiaddr } from '@multiformats/multiaddr';
import { echoProtocol, startBareNode } from './bareNode.mjs';
import { tellStart } from './tell.mjs';

const node = await startBareNode();
const stream = await node.dialProtocol(multiaddr(process.argv[2]), echoProtocol);
const answered = new Promise((resolve) => stream.addEventListener('message', resolve, { once: true }));
stream.send(new TextEncoder().encode('What is a loom?'));
await answered;
tellStart();
process.exit();
