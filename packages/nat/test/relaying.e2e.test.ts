import { afterEach, describe, expect, it } from 'vitest';

import { relayServerDefaults } from '../src/config.ts';
import {
  addressOf,
  circuitsAt,
  cleanUp,
  closed,
  createHidden,
  createNode,
  idOf,
  openSink,
  relayAt,
  send,
  until,
} from './circuitNodes.ts';

afterEach(cleanUp);

const mebibyte = 1_024 * 1_024;

describe('a node that relays for others, over TCP', () => {
  it('carries an answer of a mebibyte by default, tells its limits in bytes and seconds, and cuts at a lower one', async () => {
    const relay = await createNode();
    const relaying = await relayAt(relay);
    const { node, received } = await createHidden(relay);
    const a = await createNode();
    const circuits = circuitsAt(a);
    const { limits } = (await circuits.dial(idOf(node), addressOf(relay)))!;
    expect(limits?.bytes).toBeGreaterThan(relayServerDefaults.maxConnectionBytes - 4_096);
    expect(limits?.ms).toBeGreaterThan(relayServerDefaults.maxConnectionMs - 2_000);
    const [connection] = a.getConnections(node.peerId);
    const stream = await openSink(connection!);
    await send(stream, mebibyte);
    await until(() => received() === mebibyte, 'a mebibyte to arrive');

    await relaying.enable({ ...relayServerDefaults, maxConnectionBytes: 64 * 1_024 }, 'public');
    await connection?.close();
    await circuits.dial(idOf(node), addressOf(relay));
    const [limited] = a.getConnections(node.peerId);
    const short = await openSink(limited!);
    const left = circuits.bytesLeft(idOf(node))!;
    await send(short, left);
    await until(() => received() === mebibyte + left, 'what is let through to arrive');
    expect(circuits.bytesLeft(idOf(node))).toBeLessThan(4_096);
    await send(short, mebibyte);
    await closed(limited!);
    expect(received()).toBeLessThanOrEqual(mebibyte + 64 * 1_024);
    expect(circuits.bytesLeft(idOf(node))).toBeUndefined();
  });
});
