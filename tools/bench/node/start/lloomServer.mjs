// Answers whoever asks, until it is killed.
import { Identity, LloomBehaviour } from '@lloom/behaviour';
import { tell } from './tell.mjs';

const node = await LloomBehaviour.create(Identity.generate(), { addressPolicy: 'loopback' });
node.serve(async function* () {
  yield 'It weaves.';
  yield { inboundTokens: 5, outboundTokens: 3, totalCost: '8' };
});
tell(`${node.listenedAddresses()[0].replace(/\/p2p\/.*$/, '')}/p2p/${node.peerId}`);
