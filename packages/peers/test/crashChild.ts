import { once } from 'node:events';
import { LevelDatastore } from 'datastore-level';
import { peersStoreOf } from '../src/adapters/store.ts';
import { inFlight, writeOf, writesOf, type Told } from './crashWrites.ts';

/** Waits to be let go, says what it finds in a folder, and writes there until it is killed. */
const [folder = '', seed = ''] = process.argv.slice(2);
/** Resolves when nothing can keep it from being heard any more. */
const tell = (told: Told): Promise<unknown> =>
  new Promise((resolve) => process.stdout.write(`${JSON.stringify(told)}\n`, resolve));

await once(process.stdin, 'data');
await tell({ event: 'opening' });
const datastore = new LevelDatastore(folder);
await datastore.open();
const store = peersStoreOf(datastore, (message) => void tell({ event: 'log', message }));
const { ban, addresses, maintained, reputation } = await store.load();
const found = {
  ban: [...ban],
  addresses: [...addresses],
  maintained: [...maintained],
  reputation: [...reputation],
};
await tell({ event: 'found', found });

const writes = writesOf(Number(seed));
const writeOn = async (): Promise<void> => {
  for (;;) {
    const { index, kind, peerId, stamp } = writes.next().value;
    if (stamp === undefined) await store.delete(kind, peerId);
    else await store.put(kind, peerId, writeOf(kind, stamp));
    await tell({ event: 'acknowledged', index });
  }
};
await Promise.all(Array.from({ length: inFlight }, writeOn));
