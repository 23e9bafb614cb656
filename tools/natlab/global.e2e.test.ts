// Numbers that the whole internet routes, and nothing configured but what a node is.
import { built } from './built.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canRun, listenPort } from './lab.ts';
import type { Member } from './member.ts';
import { LabNetwork } from './network.ts';

const setUpMs = 60_000;
const config = {
  addressPolicy: 'public',
  listenAddresses: [`/ip4/0.0.0.0/tcp/${listenPort}`],
  packages: {},
} as const;

describe.skipIf(!canRun())('nodes that count global addresses only', () => {
  let network: LabNetwork;
  let bootstrap: Member;
  let relay: Member;
  let fay: Member;
  let alice: Member;

  beforeAll(async () => {
    network = await LabNetwork.create({ isGlobal: true }, { ...built, config });
    bootstrap = await network.add('bootstrap', 'public');
    relay = await network.add('relay', 'public', { through: [bootstrap], relays: {} });
    const through = [bootstrap, relay];
    [fay, alice] = await Promise.all([
      network.add('fay', 'forwarded', { through }),
      network.add('alice', 'port-restricted', { through, offers: 'model-alice' }),
    ]);
  }, setUpMs);

  afterAll(() => network?.close());

  test('a public node and a forwarded one are public, at their address outside', async () => {
    for (const member of [bootstrap, relay, fay]) {
      const { status } = await member.ask('status', 'public');
      const address = `/ip4/${member.place.outside}/tcp/${listenPort}`;
      expect(status).toEqual({ kind: 'public', address });
    }
  });

  test('one behind a NAT is private, and found and reached through a relay', async () => {
    const { status } = await alice.ask('relayed', relay.peerId);
    expect(status).toEqual({ kind: 'private' });
    const { model } = alice;
    const peerId = await fay.ask('findRelayed', model);
    expect(peerId).toBe(alice.peerId);
    const answer = await fay.ask('ask', { peerId, model, tokens: 32, tokenBytes: 16, maxAttempts: 2 });
    expect(answer).toMatchObject({ isExact: true });
  });
});
