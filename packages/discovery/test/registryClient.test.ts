import { decodeRegistryQuery } from '@lloom/codec';
import type { RegistryQuery, RegistryResult, ServiceDescriptor } from '@lloom/codec';
import { describe, expect, it } from 'vitest';
import { FakeSigner, never, peerIds } from './fakes.ts';
import { settled } from './machines.ts';
import { createRegistries, frameOf, listOf, offer, shown, signedBy } from './registries.ts';

const { bob, carol, dave } = peerIds;
const everybody: RegistryQuery = { type: 'searchByCapabilities' };
const price = (wei: string) => ({ inboundPrice: wei, outboundPrice: wei });

/** A node whose validator, dave, answers every question with a frame. */
function asking(answer?: Uint8Array) {
  const node = createRegistries();
  const questions: RegistryQuery[] = [];
  node.network.onAskExchange = (_, frame) => {
    questions.push(decodeRegistryQuery(frame));
    return answer === undefined ? Promise.reject(new Error('reset')) : Promise.resolve(answer);
  };
  return { ...node, questions };
}

/** What a promise is rejected with. */
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'it went well',
    (reason: unknown) => reason,
  );

const error = (code: string, data: object = {}) => ({ name: 'DiscoveryError', code, data });

describe('what a registry shows of executors', () => {
  it('is told when they have signed it, and remembered', async () => {
    const node = asking();
    const descriptor = await signedBy(bob, offer(), { clock: node.clock });
    node.network.onAskExchange = async () =>
      listOf([shown(descriptor, { successRate: 0.5, isConnected: false, lastSeenAt: 5 })], 31);
    expect(await node.client.query(dave, everybody)).toEqual({
      type: 'executorList',
      executors: [
        {
          descriptor: descriptor.payload,
          signedAt: node.clock.now(),
          isConnected: false,
          lastSeenAt: 5,
          successRate: 0.5,
        },
      ],
      refused: [],
      totalCount: 31,
    });
    expect(node.finder.known.get(bob)?.message).toEqual(descriptor);
  });

  it('is neither told nor remembered when it proves nothing', async () => {
    const node = asking();
    const { clock } = node;
    const good = await signedBy(carol, offer(), { clock });
    const altered: ServiceDescriptor = { ...good.payload, sequence: 99 };
    const forged = await signedBy('altered', offer(), { clock, descriptor: altered });
    const foreign = await signedBy('foreign', offer(), { clock, signer: new FakeSigner(dave, clock) });
    const expired = await signedBy('expired', offer(), { clock, ttlMs: 1 });
    const eternal = await signedBy('eternal', offer(), { clock, ttlMs: 600_001 });
    const broken = { ...(await signedBy('broken', offer(), { clock })), signature: good.signature };
    await clock.advance(10);
    const list = [forged, foreign, expired, eternal, broken].map((descriptor) => shown(descriptor));
    node.network.onAskExchange = async () => listOf(list);
    const answer = await node.client.query(dave, everybody);
    expect(answer).toEqual({
      type: 'executorList',
      executors: [],
      refused: [
        { peerId: carol, reason: 'WRONG_SIGNER' },
        { peerId: 'foreign', reason: 'WRONG_SIGNER' },
        { peerId: 'expired', reason: 'EXPIRED' },
        { peerId: 'eternal', reason: 'LIFETIME_TOO_LONG' },
        { peerId: 'broken', reason: 'BAD_SIGNATURE' },
      ],
      totalCount: 5,
    });
    expect(node.finder.known.size).toBe(0);
  });

  it('must be what was asked for, by what they signed themselves', async () => {
    const node = asking();
    const { clock } = node;
    const offers = {
      suits: offer({ contextLength: 8_192, features: ['tools'], pricing: price('5') }, ['m']),
      other: offer({ contextLength: 8_192, features: ['tools'], pricing: price('5') }, ['n']),
      short: offer({ contextLength: 10, features: ['tools'], pricing: price('5') }, ['m']),
      vague: offer({ features: ['tools'], pricing: price('5') }, ['m']),
      plain: offer({ contextLength: 8_192, pricing: price('5') }, ['m']),
      dear: offer({ contextLength: 8_192, features: ['tools'], pricing: price('50') }, ['m']),
      silent: offer({ contextLength: 8_192, features: ['tools'] }, ['m']),
      busy: offer({ contextLength: 8_192, features: ['tools'], pricing: price('5'), freeSlots: 0 }, ['m']),
    };
    const signed = Object.entries(offers).map(([id, service]) => signedBy(id, service, { clock }));
    const list = (await Promise.all(signed)).map((descriptor) => shown(descriptor));
    node.network.onAskExchange = async () => listOf(list);
    const filters = {
      minContextLength: 4_096,
      requiredFeatures: ['tools'],
      maxPrice: '9',
      onlyAvailable: true,
    };
    const answer = await node.client.query(dave, { type: 'findModel', model: 'm', filters });
    expect(answer).toMatchObject({
      executors: [{ descriptor: { peerId: 'suits' } }],
      refused: [
        { peerId: 'other', reason: 'NOT_OFFERED' },
        { peerId: 'short', reason: 'CONTEXT_TOO_SHORT' },
        { peerId: 'vague', reason: 'CONTEXT_UNKNOWN' },
        { peerId: 'plain', reason: 'FEATURE_MISSING' },
        { peerId: 'dear', reason: 'PRICE_TOO_HIGH' },
        { peerId: 'silent', reason: 'PRICE_UNKNOWN' },
        { peerId: 'busy', reason: 'NOT_AVAILABLE' },
      ],
    });
    // What they signed is true nevertheless.
    expect(node.finder.known.live()).toHaveLength(8);
  });

  it('counts once, and gives way to what this node knows better', async () => {
    const node = asking();
    const { clock, finder } = node;
    const old = await signedBy(bob, offer({}, ['old']), { clock, descriptor: { sequence: 1 } });
    const newer = await signedBy(bob, offer({}, ['new']), { clock, descriptor: { sequence: 2 } });
    await finder.take(newer);
    node.network.onAskExchange = async () => listOf([shown(old), shown(old)]);
    expect(await node.client.query(dave, everybody)).toMatchObject({
      executors: [{ descriptor: { peerId: bob, services: [{ models: ['new'] }] } }],
      refused: [{ peerId: bob, reason: 'DUPLICATE' }],
    });
    expect(finder.known.get(bob)?.message).toEqual(newer);
  });

  it('may be this node itself, which is no provider for itself', async () => {
    const node = asking();
    const { clock } = node;
    const own = await signedBy(peerIds.alice, offer(), { clock });
    node.network.onAskExchange = async () => listOf([shown(own)]);
    expect(await node.client.query(dave, everybody)).toMatchObject({
      executors: [{ descriptor: { peerId: peerIds.alice } }],
    });
    const late = await signedBy(peerIds.alice, offer(), { clock, ttlMs: 1 });
    await clock.advance(10);
    node.network.onAskExchange = async () => listOf([shown(late)]);
    expect(await node.client.query(dave, everybody)).toMatchObject({
      executors: [],
      refused: [{ reason: 'EXPIRED' }],
    });
    expect(node.finder.known.size).toBe(0);
  });

  it('is of the executor that was asked for, or of nobody', async () => {
    const node = asking();
    const query = { type: 'executorInfo', peerId: bob } as const;
    const answer = async (result: RegistryResult) => {
      node.network.onAskExchange = async () => frameOf(result);
      return node.client.query(dave, query);
    };
    const [right, wrong] = [
      shown(await signedBy(bob, offer(), { clock: node.clock })),
      shown(await signedBy(carol, offer(), { clock: node.clock })),
    ];
    expect(await answer({ type: 'executorDetails' })).toEqual({
      type: 'executorDetails',
      executor: undefined,
      refused: [],
    });
    expect(await answer({ type: 'executorDetails', executor: wrong })).toEqual({
      type: 'executorDetails',
      executor: undefined,
      refused: [{ peerId: carol, reason: 'WRONG_PEER' }],
    });
    expect(node.finder.known.size).toBe(0);
    expect(await answer({ type: 'executorDetails', executor: right })).toMatchObject({
      executor: { descriptor: { peerId: bob } },
    });
  });
});

describe('models and statistics', () => {
  it('are told as the validator says', async () => {
    const model = { model: 'm', executorCount: 3, executors: [bob], features: [] };
    const list: RegistryResult = { type: 'modelList', models: [model], totalCount: 9 };
    const models = asking(frameOf(list));
    expect(await models.client.query(dave, { type: 'listAllModels', limit: 1, offset: 8 })).toEqual(list);
    expect(models.questions).toEqual([{ type: 'listAllModels', limit: 1, offset: 8 }]);
    const numbers = { totalExecutors: 1, totalModels: 2, connectedExecutors: 0, totalRequests: 4 };
    const result: RegistryResult = { type: 'statistics', ...numbers, uptimeMs: 5 };
    expect(await asking(frameOf(result)).client.query(dave, { type: 'getStatistics' })).toEqual(result);
  });
});

describe('an answer that cannot be used', () => {
  const statistics = frameOf({
    type: 'statistics',
    totalExecutors: 1,
    totalModels: 1,
    connectedExecutors: 1,
    totalRequests: 1,
    uptimeMs: 1,
  });
  const model = { model: 'm', executorCount: 1, executors: [], features: [] };
  const models = (count: number): Uint8Array =>
    frameOf({ type: 'modelList', models: Array.from({ length: count }, () => model), totalCount: count });
  const errorWith = (code: string): Uint8Array => frameOf({ type: 'error', code, message: 'x' });
  const rows: readonly (readonly [string, { query: RegistryQuery; frame: Uint8Array; reason: string }])[] = [
    ['of another kind', { query: everybody, frame: statistics, reason: 'WRONG_RESULT' }],
    [
      'with more models than asked for',
      { query: { type: 'listAllModels', limit: 2 }, frame: models(3), reason: 'TOO_MANY' },
    ],
    ['with more than a page', { query: { type: 'listAllModels' }, frame: models(51), reason: 'TOO_MANY' }],
    ['that is noise', { query: everybody, frame: Uint8Array.of(0xff, 0xff), reason: 'MALFORMED' }],
    ['that is empty', { query: everybody, frame: new Uint8Array(), reason: 'UNKNOWN_VARIANT' }],
    ['that is too large', { query: everybody, frame: new Uint8Array(524_289), reason: 'TOO_LARGE' }],
    ['that there is none', { query: everybody, frame: errorWith('NO_REGISTRY'), reason: 'NO_REGISTRY' }],
    ['in words', { query: everybody, frame: errorWith('go away!'), reason: 'REMOTE' }],
  ];

  it('that it was asked too often is worth another try', async () => {
    const { client } = asking(errorWith('RATE_LIMITED'));
    await expect(client.query(dave, everybody)).rejects.toMatchObject({
      code: 'REGISTRY_UNREACHABLE',
      retryable: true,
    });
  });

  it.each(rows)('%s is refused, with the reason', async (_, { query, frame, reason }) => {
    const { client } = asking(frame);
    await expect(client.query(dave, query)).rejects.toMatchObject(
      error('REGISTRY_REFUSED', { peerId: dave, reason }),
    );
  });
});

describe('asking a registry', () => {
  it('fails when the validator cannot be dialled, does not answer, or is silent', async () => {
    const unreachable = (reason: unknown) => error('REGISTRY_UNREACHABLE', { peerId: dave, reason });
    const node = asking();
    await expect(node.client.query(dave, everybody)).rejects.toMatchObject(unreachable('reset'));
    node.network.onDial = () => Promise.reject(new Error('no route'));
    await expect(node.client.query(dave, everybody)).rejects.toMatchObject(unreachable('no route'));
    node.network.onDial = () => Promise.resolve();
    node.network.onAskExchange = (_, __, signal) => never(signal);
    const silent = errorOf(node.client.query(dave, everybody));
    await node.clock.advance(5_000);
    expect(await silent).toMatchObject(unreachable('no answer within 5000 ms'));
    expect(node.clock.pending).toBe(0);
  });

  it('ends when the caller wants it or the service stops, also while descriptors are proven', async () => {
    const node = asking();
    const cancel = new AbortController();
    node.network.onAskExchange = (_, __, signal) => never(signal);
    const cancelled = errorOf(node.client.query(dave, everybody, { signal: cancel.signal }));
    await settled();
    cancel.abort();
    expect(await cancelled).toMatchObject(error('CANCELLED'));
    await expect(node.client.query(dave, everybody, { signal: cancel.signal })).rejects.toMatchObject(
      error('CANCELLED'),
    );
    const descriptor = await signedBy(bob, offer(), { clock: node.clock });
    node.network.onAskExchange = async () => listOf([shown(descriptor)]);
    node.finder.take = () => new Promise(() => undefined);
    const stopped = errorOf(node.client.query(dave, everybody));
    await settled();
    node.abort.abort();
    expect(await stopped).toMatchObject(error('STOPPED'));
    expect(node.clock.pending).toBe(0);
  });

  it('proves at most eight descriptors at a time', async () => {
    const node = asking();
    const ids = Array.from({ length: 20 }, (_, at) => `executor-${at}`);
    const signed = await Promise.all(ids.map((id) => signedBy(id, offer(), { clock: node.clock })));
    node.network.onAskExchange = async () => listOf(signed.map((descriptor) => shown(descriptor)));
    const take = node.finder.take.bind(node.finder);
    let [running, most] = [0, 0];
    node.finder.take = async (message) => {
      most = Math.max(most, ++running);
      await settled();
      running--;
      return take(message);
    };
    expect(await node.client.query(dave, everybody)).toMatchObject({ executors: { length: 20 } });
    expect(most).toBe(8);
  });

  it('tells a mistake of this node as it is, and in the log, and not as one of the registry', async () => {
    const node = asking();
    const { network } = node;
    const mistake = new TypeError('a mistake of this node');
    const descriptor = await signedBy(bob, offer(), { clock: node.clock });
    node.finder.take = () => Promise.reject(mistake);
    network.onAskExchange = async () => listOf([shown(descriptor)]);
    expect(await errorOf(node.client.query(dave, everybody))).toBe(mistake);
    network.onAskExchange = async () => undefined as never;
    expect(await errorOf(node.client.query(dave, everybody))).toBeInstanceOf(TypeError);
    expect(network.errors).toEqual([mistake, expect.any(TypeError)]);
  });

  it('needs a verifier and a peer id', async () => {
    const { client } = createRegistries({ hasVerifier: false });
    await expect(client.query(dave, everybody)).rejects.toMatchObject(error('MISSING_VERIFIER'));
    await expect(asking().client.query('dave', everybody)).rejects.toMatchObject({
      name: 'AddressError',
      code: 'INVALID_PEER_ID',
    });
  });

  const wrong: readonly (readonly [string, unknown])[] = [
    ['query', undefined],
    ['query', 'getStatistics'],
    ['type', {}],
    ['type', { type: 'dropAllModels' }],
    ['type', []],
    ['model', { type: 'findModel' }],
    ['model', { type: 'findModel', model: 'x'.repeat(257) }],
    ['model', { type: 'listAllModels', model: 'm' }],
    ['peerId', { type: 'executorInfo', peerId: 5 }],
    ['limit', { type: 'listAllModels', limit: 101 }],
    ['limit', { type: 'listAllModels', limit: 0 }],
    ['offset', { type: 'listAllModels', offset: -1 }],
    ['filters', { type: 'listAllModels', filters: null }],
    ['filters.maxPrice', { type: 'findModel', model: 'm', filters: { maxPrice: '1e18' } }],
    ['filters.minSuccessRate', { type: 'findModel', model: 'm', filters: { minSuccessRate: 2 } }],
    ['filters.requiredFeatures', { type: 'listAllModels', filters: { requiredFeatures: 'tools' } }],
    ['filters.minContext', { type: 'listAllModels', filters: { minContext: 1 } }],
    ['filter', { type: 'listAllModels', filter: {} }],
  ];

  it.each(wrong)('names the field "%s" that cannot be used, and asks nobody', async (path, query) => {
    const node = asking();
    await expect(node.client.query(dave, query as RegistryQuery)).rejects.toMatchObject(
      error('INVALID_QUERY', { path }),
    );
    expect(node.questions).toEqual([]);
  });
});
