// Events that nobody can break, a configuration that names every mistake, and an address that says what is wrong.
// #region events
import assert from 'node:assert/strict';

import { AddressError, ConfigError, EventHub, integer, oneOf, resolveConfig, toMultiaddr } from '@lloom/core';

type DoorEvents = { 'door:opened': { readonly by: string } };

const hub = new EventHub<DoorEvents>((error, type) =>
  console.log(`a listener of ${type} failed: ${String(error)}`),
);
hub.addEventListener('door:opened', () => {
  throw new Error('not my fault');
});
const events = hub.events({ limit: 2 }); // bounded: the oldest is dropped when the reader is slow
for (const by of ['Ann', 'Bob', 'Eve']) hub.emit('door:opened', { by });
hub.close();
for await (const { type, by } of events) console.log(type, by);
console.log(`${events.dropped} was dropped`);
// #endregion
assert.equal(events.dropped, 1);

// #region config
interface DoorConfig {
  readonly timeoutMs: number;
  readonly mode: string;
}
const rules = {
  checks: { timeoutMs: integer(1, 60_000), mode: oneOf('fast', 'safe') },
  defaults: { timeoutMs: 5_000, mode: 'safe' },
};
console.log(resolveConfig<DoorConfig>('door', rules, { timeoutMs: 100 }));
try {
  resolveConfig<DoorConfig>('door', rules, { timeoutMs: -1, mode: 'slow' });
} catch (error) {
  if (!ConfigError.is(error)) throw error;
  for (const { path, got, wanted } of error.data.problems) console.log(`${path} is ${got}, want ${wanted}`);
}
// #endregion

// #region addresses
try {
  toMultiaddr('/ip4/node.example/tcp/4001');
} catch (error) {
  if (!AddressError.is(error, 'INVALID_MULTIADDR')) throw error;
  console.log(error.data.suggestion); // /dns4/node.example/tcp/4001
}
// #endregion
