import type { Stream } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import { decodeDescriptorFrame, encodeRegistryResult } from '@lloom/codec';
import type { RegistryExecutor, RegistryQuery, RegistryResult, ServiceType } from '@lloom/codec';
import { Identity } from '@lloom/identity';
import { test, type NetworkFixture } from '@lloom/simkit/vitest';
import { describe, expect } from 'vitest';
import type { DiscoveryError, RegistryAnswer } from '../src/index.ts';
import { descriptorFrame, peerIds, tampered, validator } from './fakes.ts';
import { advertiseAll, errorOf, identityOf, offer, peerIdOf, serviceOf, star, timed } from './simNodes.ts';
import type { SimNetwork } from './simNodes.ts';

const protocol = '/lloom/registry/1.0.0';
const link = { delayMs: 50 };
const everybody: RegistryQuery = { type: 'searchByCapabilities', limit: 100 };

const ask = (network: SimNetwork, of: string, query = everybody): Promise<RegistryAnswer> =>
  serviceOf(network, 'c1').queryRegistry(peerIdOf(network, of), query);

/** Everybody in the registry of a validator, by the names of the hosts. */
async function registered(network: SimNetwork, of: string): Promise<string[]> {
  const answer = await network.run(() => ask(network, of), { timeoutMs: 60_000 });
  if (answer.type !== 'executorList') throw new Error(answer.type);
  const names = new Map([...network.nodes.keys()].map((name) => [peerIdOf(network, name), name]));
  return answer.executors
    .map(({ descriptor }) => names.get(descriptor.peerId) ?? descriptor.peerId)
    .toSorted();
}

describe('the registry of a validator', () => {
  const executors = Array.from({ length: 8 }, (_, at) => `e${1 + at}`);
  const nodes = ['hub', 'v1', ...executors, 'c1'];

  test('is back within one interval after a crash, with what is on its disk and with nothing', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({ nodes, link, createNode: star() });
    await advertiseAll(network, executors);
    await network.run(serviceOf(network, 'v1').advertiseService(validator));
    await network.runFor(3_000);
    expect(await registered(network, 'v1')).toEqual(executors);
    for (const datastore of ['kept', 'empty'] as const) {
      network.crash('v1');
      await network.runFor(1_000);
      const restartedAt = network.clock.elapsed();
      await network.restart('v1', { datastore });
      await network.run(serviceOf(network, 'v1').advertiseService(validator));
      await network.runFor(3_000);
      expect([datastore, await registered(network, 'v1')]).toEqual([datastore, executors]);
      expect(network.clock.elapsed() - restartedAt).toBeLessThan(30_000);
    }
  });

  test('names a dead executor no more after two intervals, and a withdrawn one at the next question', async ({
    createNetwork,
  }) => {
    const network = await createNetwork({
      nodes: ['hub', 'v1', 'e1', 'e2', 'e3', 'c1'],
      link,
      createNode: star(),
    });
    await advertiseAll(network, ['e1', 'e2', 'e3']);
    await network.run(serviceOf(network, 'v1').advertiseService(validator));
    await network.runFor(30_000);
    expect(await registered(network, 'v1')).toEqual(['e1', 'e2', 'e3']);
    await network.run(serviceOf(network, 'e2').withdrawService('executor'));
    expect(await registered(network, 'v1')).toEqual(['e1', 'e3']);
    network.crash('e1', { isSilent: true });
    await network.runFor(60_000);
    expect(await registered(network, 'v1')).toEqual(['e3']);
  });

  test('is closed while the node is no validator', async ({ createNetwork }) => {
    const network = await createNetwork({ nodes: ['hub', 'v1', 'c1'], link, createNode: star() });
    const refusal = { code: 'REGISTRY_REFUSED', data: { reason: 'NO_REGISTRY' } };
    await network.runFor(5_000);
    expect(await network.run(() => errorOf(ask(network, 'v1')))).toMatchObject(refusal);
    await network.run(serviceOf(network, 'v1').advertiseService(validator));
    expect(await registered(network, 'v1')).toEqual([]);
    await network.run(serviceOf(network, 'v1').withdrawService('validator'));
    expect(await network.run(() => errorOf(ask(network, 'v1')))).toMatchObject(refusal);
  });
});

describe('a malicious validator', () => {
  const other = Identity.generate();
  const past = { now: () => 1_000_000, elapsed: () => 0, setTimeout: () => 0, clearTimeout: () => {} };
  const better: ServiceType = { kind: 'executor', models: ['demo-small'], capacity: 1_000 };

  /** The client knows an executor; a stranger answers as a validator would, with what a test lets it say. */
  async function meet(createNetwork: NetworkFixture['createNetwork']) {
    const identities = new Map<string, Identity>();
    const create = star((name) => (name === 'x1' ? 'stranger' : {}));
    const network = await createNetwork({
      nodes: ['hub', 'x1', 'e1', 'c1'],
      link,
      createNode: (host) => {
        identities.set(host.name, identityOf(host));
        return create(host);
      },
    });
    const says: { answer: (stream: Stream) => Promise<void> } = { answer: async () => {} };
    await network.node('x1').handle(protocol, async (stream) => {
      await lpStream(stream).read();
      await says.answer(stream).catch(() => undefined);
    });
    await advertiseAll(network, ['e1']);
    const [client, stranger] = [network.node('c1'), network.node('x1')];
    await network.run(async () => client.dial(stranger.getMultiaddrs()));
    await network.run(serviceOf(network, 'c1').discoverExecutors());
    return { network, says, executor: identities.get('e1')! };
  }

  const saying =
    (result: RegistryResult) =>
    async (stream: Stream): Promise<void> => {
      await lpStream(stream).write(encodeRegistryResult(result));
      await stream.close();
    };

  const shown = (frame: Uint8Array): RegistryExecutor => ({
    descriptor: decodeDescriptorFrame(frame)!,
    isConnected: true,
    lastSeenAt: 1,
  });

  test('has nobody believed who did not say so, and nothing changed of those who did', async ({
    createNetwork,
  }) => {
    const { network, says, executor } = await meet(createNetwork);
    const { peerId } = executor;
    const own = (wrong: Parameters<typeof descriptorFrame>[2] = {}): Promise<Uint8Array> =>
      descriptorFrame(peerId, [better], {
        signer: executor.signer(),
        descriptor: { sequence: 1e15 },
        ...wrong,
      });
    const lies: readonly (readonly [string, Uint8Array])[] = [
      ['BAD_SIGNATURE', tampered(await own())],
      ['WRONG_SIGNER', await own({ signer: other.signer() })],
      ['EXPIRED', await own({ signer: executor.signer({}, { clock: past }) })],
      ['LIFETIME_TOO_LONG', await own({ envelope: { expiresMs: Number.MAX_SAFE_INTEGER } })],
      ['BAD_SIGNATURE', await own({ envelope: { to: `0x${'1'.repeat(40)}` } })],
      ['WRONG_SIGNER', await descriptorFrame(other.peerId, [better], { signer: executor.signer() })],
      ['KEY_TYPE', await descriptorFrame(peerIds.bob, [better], { signer: other.signer() })],
      ['INVALID_PEER_ID', await descriptorFrame('nobody', [better], { signer: other.signer() })],
    ];
    const client = serviceOf(network, 'c1');
    const { kept } = client.snapshot().descriptors;
    const before = client.servicesOf(peerId);
    expect(before).toEqual([offer]);
    for (const [reason, frame] of lies) {
      says.answer = saying({ type: 'executorList', executors: [shown(frame)], totalCount: 1 });
      const answer = await network.run(() => ask(network, 'x1'));
      expect(answer).toMatchObject({ executors: [], refused: [{ reason }] });
    }
    expect(client.servicesOf(peerId)).toEqual(before);
    expect(client.snapshot().descriptors.kept).toBe(kept);
    expect((await network.run(client.discoverExecutors())).map((found) => found.peerId)).toEqual([peerId]);
  });

  test('has somebody who left believed no longer than he signed, and nobody waits for him', async ({
    createNetwork,
  }) => {
    const { network, says, executor } = await meet(createNetwork);
    const gone = await descriptorFrame(other.peerId, [better], { signer: other.signer() });
    says.answer = saying({ type: 'executorList', executors: [shown(gone)], totalCount: 1 });
    expect(await network.run(() => ask(network, 'x1'))).toMatchObject({ refused: [] });
    const client = serviceOf(network, 'c1');
    const found = await timed(network, () => client.discoverExecutors({ maxAgeMs: 0 }));
    expect(found.result.map(({ peerId }) => peerId)).toEqual([executor.peerId]);
    expect(found.tookMs).toBeLessThan(1_000);
    await network.runFor(60_000);
    expect(client.servicesOf(other.peerId)).toEqual([]);
  });

  test('is refused when it answers another question, or nonsense', async ({ createNetwork }) => {
    const { network, says } = await meet(createNetwork);
    const model = { model: 'm', executorCount: 1, executors: [], features: [] };
    const answers: readonly (readonly [string, (stream: Stream) => Promise<void>])[] = [
      ['WRONG_RESULT', saying({ type: 'modelList', models: [model], totalCount: 1 })],
      ['REMOTE', saying({ type: 'error', code: 'all your base', message: '' })],
      ['MALFORMED', async (stream) => lpStream(stream).write(new Uint8Array(1_000).fill(0xff))],
    ];
    for (const [reason, answer] of answers) {
      says.answer = answer;
      const error = await network.run(() => errorOf(ask(network, 'x1')));
      expect(error).toMatchObject({ code: 'REGISTRY_REFUSED', data: { reason } });
    }
  });

  test('costs 5 s at most, whatever it sends', async ({ createNetwork }) => {
    const { network, says } = await meet(createNetwork);
    const mebibyte = new Uint8Array(1_024 * 1_024).fill(0x0a);
    const answers: readonly ((stream: Stream) => Promise<void>)[] = [
      () => new Promise(() => {}),
      async (stream) => stream.abort(new Error('no')),
      async (stream) => stream.close(),
      async (stream) =>
        lpStream(stream, { maxDataLength: 20 * mebibyte.length }).write(new Uint8Array(10 * mebibyte.length)),
      async (stream) => {
        // A length of 512 KiB, and then one byte after the other.
        stream.send(Uint8Array.of(0x80, 0x80, 0x20));
        for (let at = 0; stream.status === 'open' && at < 100; at++) {
          stream.send(Uint8Array.of(0x0a));
          const { promise, resolve } = Promise.withResolvers<void>();
          network.clock.setTimeout(() => resolve(), 100);
          await promise;
        }
      },
      async (stream) => {
        for (let sent = 0; stream.status === 'open' && sent < 32; sent++) {
          stream.send(mebibyte);
          await stream.onDrain().catch(() => undefined);
        }
      },
    ];
    for (const answer of answers) {
      says.answer = answer;
      const { result, tookMs } = await timed(network, () => errorOf(ask(network, 'x1')));
      expect(['REGISTRY_UNREACHABLE', 'REGISTRY_REFUSED']).toContain((result as DiscoveryError).code);
      expect(tookMs).toBeLessThanOrEqual(5_000);
    }
    expect(serviceOf(network, 'c1').servicesOf(peerIdOf(network, 'e1'))).toEqual([offer]);
  });
});
