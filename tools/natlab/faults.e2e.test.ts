// What heals by itself: relays that go and come back, NATs that forget, addresses that change; and a relay that carries little.
import { built } from './built.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canRun } from './lab.ts';
import type { Member } from './member.ts';
import { LabNetwork } from './network.ts';
import type { Asked } from './tokens.ts';

const setUpMs = 60_000;
/** libp2p's own limits. */
const stockLimits = { maxConnectionBytes: 131_072, maxConnectionMs: 120_000 };
const mebibyte = { tokens: 2_048, tokenBytes: 512 };
const little = { tokens: 32, tokenBytes: 16 };

describe.skipIf(!canRun())('nodes behind NATs in trouble', () => {
  let network: LabNetwork;
  let relay: Member;
  let alice: Member;
  let bob: Member;
  let sam: Member;

  /** Resolves with how a whole answer came, by several attempts if need be. */
  const ask = async (executor: Member, size: typeof mebibyte): Promise<Asked> => {
    const answer = await alice.ask('ask', {
      peerId: executor.peerId,
      model: executor.model,
      maxAttempts: 8,
      ...size,
    });
    expect(answer.message).toBeUndefined();
    expect(answer.isExact).toBe(true);
    return answer;
  };

  /** Something befalls a member, which is reached again through a relay after it has lost its place there. */
  const heals = async (member: Member, fault: () => Promise<void>): Promise<void> => {
    const { notes: after } = await member.ask('reach', undefined);
    await fault();
    await member.ask('event', { type: 'relay:lost', after });
    const lost = (await member.ask('notes', after)).findIndex(({ type }) => type === 'relay:lost');
    await member.ask('event', { type: 'relay:reserved', after: after + lost });
    await ask(member, little);
  };

  beforeAll(async () => {
    network = await LabNetwork.create({}, built);
    const bootstrap = await network.add('bootstrap', 'public');
    relay = await network.add('relay', 'public', { through: [bootstrap], relays: stockLimits });
    const through = [bootstrap, relay];
    [alice, bob, sam] = await Promise.all([
      network.add('alice', 'port-restricted', { through }),
      network.add('bob', 'port-restricted', { through, offers: 'model-bob' }),
      network.add('sam', 'symmetric', { through, offers: 'model-sam' }),
    ]);
    await Promise.all([bob, sam].map((member) => member.ask('relayed', relay.peerId)));
    await Promise.all([bob, sam].map(({ model }) => alice.ask('find', model)));
  }, setUpMs);

  afterAll(() => network?.close());

  test('an answer that would not fit through a relay comes without it, where the NATs allow', async () => {
    await ask(bob, mebibyte);
  });

  test('else it is refused in words, and one that fits is given', async () => {
    await ask(sam, little);
    const answer = await alice.ask('ask', { peerId: sam.peerId, model: sam.model, ...mebibyte });
    expect(answer.failed).toBe('RELAY_LIMIT');
    await ask(sam, little);
  });

  test('a relay crashes and comes back: whoever was reached through it is again', async () => {
    await heals(sam, async () => {
      await relay.crash();
      await relay.start();
    });
  });

  test('a router forgets all connections: the node behind it is reached again', async () => {
    await heals(sam, () => sam.place.forget());
  });

  test('a router gets another address: the node behind it is reached again', async () => {
    await heals(bob, () => bob.place.move());
  });
});
