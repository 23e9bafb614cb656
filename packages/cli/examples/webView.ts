// A program that shows its node in a browser on this machine.
// #region view
import assert from 'node:assert/strict';
import { Identity, LloomBehaviour } from '@lloom/behaviour';
import { createNodeLive, serveView } from '@lloom/cli';

const live = createNodeLive();
const node = await LloomBehaviour.create(Identity.generate(), {
  addressPolicy: 'loopback',
  inspect: live.inspect,
});
const view = await serveView(node, { live, role: 'client' });
process.stdout.write(`Web view: ${view.url}\n`);
// #endregion

const page = await fetch(view.url);
assert.equal(page.status, 200);
const stranger = await fetch(new URL('/', view.url));
assert.equal(stranger.status, 401);
// It ends with the node.
await node.stop();
await view.close();
