import { systemClock } from '@lloom/core';
import { expect, onTestFinished, test } from 'vitest';
import { sessionProtocol } from '../src/internal/protocolIds.ts';
import { Asking, pause, serveStory, type StoryTime } from './flowStory.ts';
import { Ledger } from './ledger.ts';
import { createNode, introduce } from './nodes.ts';

const seed = 7;
const requests = 10_000;
const inFlight = 150;
/** How much faster all happens than in stories of virtual time. */
const haste = 10;

/** A node whose timers and requests are counted. */
async function createCounted() {
  const ledger = new Ledger();
  const limits = { maxInboundRequests: 1_000, maxInboundRequestsPerPeer: 500 };
  const created = await createNode({ clock: ledger.watch(systemClock), ...limits });
  ledger.listen(created.rpc);
  return { ...created, ledger };
}

test('10,000 requests over TCP, some of them cancelled, late, slowly read or reset, end exactly once each, and nothing is left', async () => {
  const timers = new Set<NodeJS.Timeout>();
  onTestFinished(() => timers.forEach((timer) => clearTimeout(timer)));
  const time: StoryTime = {
    after: (ms, act) => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        act();
      }, ms / haste);
      timers.add(timer);
    },
  };
  const [client, server] = [await createCounted(), await createCounted()];
  await introduce(client, server);
  const workload = await serveStory(server.rpc, time);
  const asking = new Asking(time, { seed: `tcp/${seed}`, haste });
  const { pick } = asking.choose;

  const reset = (): void => {
    const connections = pick([client, server]).node.getConnections();
    if (pick([true, false, false])) return connections.forEach((each) => each.abort(new Error('reset')));
    for (const { streams } of connections)
      for (const stream of streams) if (stream.protocol === sessionProtocol) stream.abort(new Error('reset'));
  };
  let begun = 0;
  const askOn = async (): Promise<void> => {
    while (begun++ < requests) {
      if (begun % 1_000 === 0) reset();
      await asking.ask({ rpc: client.rpc, identity: client.identity, to: server.identity });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, () => askOn()));
  expect([asking.asked, asking.settled]).toEqual([requests, requests]);
  expect(asking.codes.get('answered')).toBeGreaterThan(1_000);

  await server.rpc.drain(10_000);
  for (const { rpc, ledger } of [client, server]) {
    expect(ledger.wrongEnds).toEqual([]);
    expect([rpc.pendingRequests(), rpc.activeInbound, ledger.timers.size]).toEqual([[], 0, 0]);
  }
  while (workload.working.size > 0) await pause(time, 100);
  for (const { node } of [client, server])
    for (const { protocol, direction } of node.getConnections().flatMap(({ streams }) => streams))
      expect([sessionProtocol, '/ipfs/id/1.0.0', '/ipfs/ping/1.0.0']).toContain(protocol ?? direction);
});
