// A server on this machine that answers whoever shows its token.
import assert from 'node:assert/strict';
import { openLoopback, resolveLoopbackConfig } from '@lloom/core/loopback';

// #region loopback
const config = resolveLoopbackConfig('clock', { port: 0 });
const server = await openLoopback(config, {
  realm: 'clock',
  paths: { '/now': ({ answer }) => answer({ contentType: 'text/plain', body: String(Date.now()) }) },
});
const headers = { authorization: `Bearer ${server.token}` };
console.log(await (await fetch(`${server.origin}/now`, { headers })).text());
// #endregion
assert.equal((await fetch(`${server.origin}/now`)).status, 401);
await server.close();
