// Whole nodes behind real NATs: who knows what it is, is found, reached through a relay, and then without one.
import { built } from './built.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Asked } from './tokens.ts';
import { canRun, listenPort, skipped, type Kind } from './lab.ts';
import { common, type Member } from './member.ts';
import { LabNetwork } from './network.ts';

const setUpMs = 60_000;
/** A streamed answer of one mebibyte. */
const mebibyte = { tokens: 2_048, tokenBytes: 512 };
const whole = { isExact: true, tokens: 2_048, bytes: 1_048_576 };

/** No connection dies here, and on a busy machine a ping takes its time. */
const config = { packages: { ...common.packages, peers: { redialMinDelayMs: 500 } } };

if (!canRun()) process.stdout.write(`${skipped}\n`);

/** Says on one line that a topology was run, and how it went. */
const tell = (kind: Kind, how: string): boolean => process.stdout.write(`nat topology: ${kind} ${how}\n`);

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/**
 * Finds who offers the model of a member, and has it answer. The first attempt may join a dial that began before the executor had
 * a place at a relay.
 */
async function askFor(
  client: Member,
  executor: Member,
  how: 'find' | 'findRelayed' = 'findRelayed',
): Promise<Asked> {
  const { model } = executor;
  const peerId = await client.ask(how, model);
  if (peerId !== executor.peerId) throw new Error(`${peerId} offers ${model}`);
  const answer = await client.ask('ask', { peerId, model, ...mebibyte, maxAttempts: 2 });
  expect(answer.message).toBeUndefined();
  return answer;
}

/** Resolves with how and when a client's connection to a peer came to do without its relay. */
async function upgraded(client: Member, executor: Member): Promise<{ how: unknown; tookMs: number }> {
  const wanted = { type: 'connection:upgraded', detail: { peerId: executor.peerId } } as const;
  const { detail } = await client.ask('event', wanted);
  return { how: detail['how'], tookMs: Number(detail['tookMs']) };
}

describe.skipIf(!canRun())('nodes behind NATs', { concurrent: true }, () => {
  let network: LabNetwork;
  const members = new Map<string, Member>();
  const member = (name: string): Member => members.get(name)!;

  const add = async (name: string, kind: Kind, through: readonly Member[]): Promise<Member> => {
    const isRelay = name === 'relay';
    const own = isRelay ? { through, relays: {} } : { through, offers: `model-${name}` };
    const added = await network.add(name, kind, own);
    members.set(name, added);
    return added;
  };

  beforeAll(async () => {
    network = await LabNetwork.create({}, { ...built, config });
    const bootstrap = await add('bootstrap', 'public', []);
    const relay = await add('relay', 'public', [bootstrap]);
    const through = [bootstrap, relay];
    await Promise.all([
      add('alice', 'port-restricted', through),
      add('bob', 'port-restricted', through),
      add('sam', 'symmetric', through),
      add('fay', 'forwarded', through),
      add('wall', 'firewall', through),
      add('fence', 'firewall', through),
    ]);
  }, setUpMs);

  afterAll(() => network?.close());

  test('public: a node whose address everybody can dial knows it', async () => {
    const { status, statusAtMs } = await member('bootstrap').ask('status', 'public');
    const { outside } = member('bootstrap').place;
    expect(status).toEqual({ kind: 'public', address: `/ip4/${outside}/tcp/${listenPort}` });
    tell('public', `public after ${seconds(statusAtMs)}`);
  });

  test('forwarded: a node behind a router that hands its port on knows its address outside', async () => {
    const fay = member('fay');
    const { status, statusAtMs } = await fay.ask('status', 'public');
    expect(status).toEqual({ kind: 'public', address: `/ip4/${fay.place.outside}/tcp/${listenPort}` });
    // They may have met through alice's relay, when fay looked for others.
    expect(await askFor(member('alice'), fay, 'find')).toMatchObject(whole);
    await member('alice').ask('direct', fay.peerId);
    expect(await askFor(member('alice'), fay, 'find')).toMatchObject({
      ...whole,
      ways: ['direct', 'direct'],
    });
    tell('forwarded', `public after ${seconds(statusAtMs)}, dialled as it is`);
  });

  test.each(['alice', 'bob', 'sam', 'wall', 'fence'])(
    '%s, whom nobody can dial, knows it and is reached through a relay that it found',
    async (name) => {
      const { relayedAtMs, relayAddresses } = await member(name).ask('relayed', null);
      expect(relayAddresses).toContainEqual(expect.stringContaining(member('relay').peerId));
      const { status } = await member(name).ask('reach', undefined);
      expect(status).toEqual({ kind: 'private' });
      tell(member(name).place.kind, `private, reached through a relay after ${seconds(relayedAtMs!)}`);
    },
  );

  test('port-restricted: two nodes meet through their NATs, and a mebibyte is streamed exactly', async () => {
    const [alice, bob] = [member('alice'), member('bob')];
    expect(await askFor(alice, bob)).toMatchObject(whole);
    const { how, tookMs } = await upgraded(alice, bob);
    expect(how).toBe('punched');
    expect(await askFor(alice, bob)).toMatchObject({ ...whole, ways: ['direct', 'direct'] });
    tell('port-restricted', `to port-restricted: punched in ${seconds(tookMs)}`);
  });

  test('port-restricted: a public node is dialled by whom it reached through a relay', async () => {
    const [fay, bob] = [member('fay'), member('bob')];
    expect(await askFor(fay, bob)).toMatchObject(whole);
    await fay.ask('direct', bob.peerId);
    expect(await askFor(fay, bob)).toMatchObject({ ...whole, ways: ['direct', 'direct'] });
    tell('port-restricted', 'from forwarded: reversed');
  });

  test('firewall: two nodes meet through their firewalls', async () => {
    const [wall, fence] = [member('wall'), member('fence')];
    expect(await askFor(wall, fence)).toMatchObject(whole);
    const { how, tookMs } = await upgraded(wall, fence);
    expect(how).toBe('punched');
    expect(await askFor(wall, fence)).toMatchObject({ ...whole, ways: ['direct', 'direct'] });
    tell('firewall', `to firewall: punched in ${seconds(tookMs)}`);
  });

  test('symmetric: a node stays reached through its relay, says why, and streams a mebibyte exactly', async () => {
    const [alice, sam] = [member('alice'), member('sam')];
    expect(await askFor(alice, sam)).toMatchObject(whole);
    const stays = (who: Member, peerId: string) =>
      who.ask('event', { type: 'connection:stays-relayed', detail: { peerId } });
    const [own, other] = await Promise.all([stays(sam, alice.peerId), stays(alice, sam.peerId)]);
    expect(['peer has no address to punch', 'nothing came through']).toContain(other.detail['reason']);
    expect(own.detail['reason']).toBe('own NAT is symmetric');
    const { explanation } = await sam.ask('reach', undefined);
    expect(explanation.mapping).toBe('endpoint-dependent');
    expect(await askFor(alice, sam)).toMatchObject({ ...whole, ways: ['relayed', 'relayed'] });
    tell('symmetric', 'to port-restricted: stays relayed');
  });
});
