// How long after its start a process has dialled the address that it is given, and has a signed answer to a signed question, both
// of them checked.
import { Identity, LloomBehaviour } from '@lloom/behaviour';
import { tellStart } from './tell.mjs';

const [address, peerId] = process.argv[2].split('/p2p/');
const identity = Identity.generate();
const node = await LloomBehaviour.create(identity, { addressPolicy: 'loopback' });
await node.dialPeer(peerId, [address]);
const question = { model: 'demo', prompt: 'What is a loom?', maxPrice: '8' };
await node.request(peerId, { type: 'llmRequest', request: await identity.sign(question, { to: peerId }) });
tellStart();
process.exit();
