// One key as peer id and wallet: keep it in a file, sign a request, prove it, and refuse it a second time.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  createReplayGuard,
  evmAddressOf,
  Identity,
  IdentityError,
  verifySignedMessage,
} from '@lloom/identity';

const folder = await mkdtemp(join(tmpdir(), 'lloom-'));
const path = join(folder, 'node.key');
const passphrase = 'correct horse battery staple';
try {
  // #region main
  await Identity.generate().save(path, { passphrase });
  const client = await Identity.load(path, { passphrase });
  console.log(`${client.peerId} is the wallet ${client.evmAddress}`);
  assert.equal(evmAddressOf(client.peerId), client.evmAddress);

  // An executor, which accepts each signature once.
  const executor = Identity.generate();
  const replayGuard = await createReplayGuard();
  const accept = { payloadType: 'LlmRequest', audience: [executor.evmAddress], replayGuard };

  const question = { model: 'demo-small', prompt: 'What is a loom?', maxPrice: '10000' };
  const message = await client.sign(question, { to: executor.evmAddress });
  const { signer } = await verifySignedMessage(message, accept);
  console.log(`${signer} asks: ${message.payload.messages[0]?.content}`);

  const error = await verifySignedMessage(message, accept).catch((reason: unknown) => reason);
  if (!IdentityError.is(error, 'REPLAYED')) throw error;
  console.log(`${error.code}: ${error.hint}`);
  // #endregion
} finally {
  await rm(folder, { recursive: true });
}
