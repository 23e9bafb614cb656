// How long after its start a process has loaded bare libp2p, with the modules of a node.
import { tellStart } from './tell.mjs';

await import('./bareNode.mjs');
tellStart();
