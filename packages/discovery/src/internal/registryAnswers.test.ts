import { encodePayload, encodeRegistryResult, limits } from '@lloom/codec';
import type { ExecutorService, RegistryFilters, RegistryQuery, RegistryResult } from '@lloom/codec';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { zeroAddress, zeroDigest } from '@lloom/core';
import { knownPeer, offer } from '../../test/registries.ts';
import type { KnownPeer } from './knownPeers.ts';
import { answerQuery, type RegistryWord } from './registryAnswers.ts';
import { maxModels, maxPairs, RegistryView } from './registryView.ts';

const word: RegistryWord = {
  successRate: (peerId) => ({ a: 1, b: 0.5 })[peerId],
  totalRequests: 7,
  uptimeMs: 60_000,
};

const ask = (peers: readonly KnownPeer[], query: RegistryQuery): RegistryResult =>
  answerQuery(query, new RegistryView(peers, new Set(['b', 'stranger'])), word);

function models(peers: readonly KnownPeer[], query: Partial<RegistryQuery> = {}) {
  const result = ask(peers, { ...query, type: 'listAllModels' });
  if (result.type !== 'modelList') throw new Error(result.type);
  return result;
}

function executors(peers: readonly KnownPeer[], query: RegistryQuery) {
  const result = ask(peers, query);
  if (result.type !== 'executorList') throw new Error(result.type);
  return result;
}

const idsOf = (peers: readonly KnownPeer[], query: RegistryQuery): string[] =>
  executors(peers, query).executors.map(({ descriptor }) => descriptor.payload.peerId);

const price = (inboundPrice: string, outboundPrice: string = inboundPrice) => ({
  inboundPrice,
  outboundPrice,
});

/** Peers of which each has an offer, in no order. */
const peers = [
  knownPeer('c', offer({ freeSlots: 0, contextLength: 4_096 }, ['m', 'n'])),
  knownPeer('a', offer({ contextLength: 8_192, features: ['tools'], pricing: price('10', '30') }, ['m'])),
  knownPeer('b', offer({ freeSlots: 2, features: ['tools', 'vision'], pricing: price('15', '31') }, ['m'])),
];

describe('what a registry says of models', () => {
  it('is each model once, by name, with those who offer it put together', () => {
    expect(models(peers)).toEqual({
      type: 'modelList',
      models: [
        {
          model: 'm',
          executorCount: 3,
          executors: ['a', 'b', 'c'],
          contextLength: 8_192,
          features: ['tools', 'vision'],
          averagePricing: price('12', '30'),
        },
        { model: 'n', executorCount: 1, executors: ['c'], contextLength: 4_096, features: [] },
      ],
      totalCount: 2,
    });
  });

  it('counts the price of the model itself before that of all, and loses no digit', () => {
    const huge = '9'.repeat(78);
    const own = offer({ pricing: price('1'), modelPricing: { m: price(huge) } }, ['m', 'n']);
    const [m, n] = models([
      knownPeer('a', own),
      knownPeer('b', offer({ pricing: price(huge) }, ['m'])),
    ]).models;
    expect(m?.averagePricing).toEqual(price(huge));
    expect(n?.averagePricing).toEqual(price('1'));
  });

  it('counts an executor once that names a model twice', () => {
    expect(models([knownPeer('a', offer({}, ['m', 'm', 'n', 'm']))]).models[0]?.executorCount).toBe(1);
  });

  it('names at most 16 executors and 64 features of a model', () => {
    const many = Array.from({ length: 40 }, (_, at) => {
      const features = [`x${at}`, `y${at}`, `z${at}`];
      return knownPeer(`p${String(at).padStart(2, '0')}`, offer({ features }));
    });
    const [model] = models(many).models;
    expect(model).toMatchObject({ executorCount: 40 });
    expect(model?.executors).toEqual(many.slice(0, 16).map(({ peerId }) => peerId));
    expect(model?.features).toHaveLength(64);
  });

  it('leaves those out whom the filters do not admit, and models that nobody else offers', () => {
    const { models: found, totalCount } = models(peers, { filters: { maxPrice: '30' } });
    expect(found).toMatchObject([{ model: 'm', executorCount: 1, executors: ['a'] }]);
    expect(totalCount).toBe(1);
  });
});

describe('what a registry says of executors', () => {
  const rows: readonly (readonly [string, RegistryFilters, readonly string[]])[] = [
    ['nothing', {}, ['a', 'b', 'c']],
    ['a context', { minContextLength: 4_096 }, ['a', 'c']],
    ['a longer context', { minContextLength: 4_097 }, ['a']],
    ['no context', { minContextLength: 0 }, ['a', 'b', 'c']],
    ['a feature', { requiredFeatures: ['tools'] }, ['a', 'b']],
    ['two features', { requiredFeatures: ['vision', 'tools'] }, ['b']],
    ['one feature twice', { requiredFeatures: ['vision', 'vision'] }, ['b']],
    ['a feature that nobody has', { requiredFeatures: ['toString'] }, []],
    ['a price for both kinds of token', { maxPrice: '30' }, ['a']],
    ['a price with more digits', { maxPrice: '100' }, ['a', 'b']],
    ['a price with fewer digits', { maxPrice: '9' }, []],
    ['a free slot', { onlyAvailable: true }, ['a', 'b']],
    ['a share of answers', { minSuccessRate: 0.6 }, ['a']],
    ['any share of answers', { minSuccessRate: 0 }, ['a', 'b', 'c']],
  ];

  it.each(rows)('who wants %s gets those who promise it', (_, filters, wanted) => {
    expect(idsOf(peers, { type: 'searchByCapabilities', filters })).toEqual(wanted);
    expect(idsOf(peers, { type: 'findModel', model: 'm', filters })).toEqual(wanted);
  });

  it('are for a model those who serve it, at its own price', () => {
    const cheap = offer({ pricing: price('50'), modelPricing: { n: price('5') } }, ['m', 'n']);
    const all = [...peers, knownPeer('d', cheap)];
    expect(idsOf(all, { type: 'findModel', model: 'n' })).toEqual(['c', 'd']);
    const filters = { maxPrice: '9' };
    expect(idsOf(all, { type: 'findModel', model: 'n', filters })).toEqual(['d']);
    expect(idsOf(all, { type: 'findModel', model: 'm', filters })).toEqual([]);
    expect(idsOf(all, { type: 'searchByCapabilities', filters })).toEqual(['d']);
    expect(idsOf(all, { type: 'findModel', model: 'constructor' })).toEqual([]);
  });

  it('are what they signed, and what the registry knows beside it', () => {
    expect(executors(peers, { type: 'searchByCapabilities' }).executors.slice(1)).toEqual([
      { descriptor: peers[2]?.message, isConnected: true, lastSeenAt: 1_000, successRate: 0.5 },
      { descriptor: peers[0]?.message, isConnected: false, lastSeenAt: 1_000 },
    ]);
  });

  it('leave out validators, and whoever was lost and has not answered since', () => {
    const lost = { ...knownPeer('d', offer()), isDoubtful: true };
    const validator = knownPeer('e', { kind: 'validator', stake: '1' } as unknown as ExecutorService);
    expect(idsOf([lost, validator, ...peers], { type: 'searchByCapabilities' })).toEqual(['a', 'b', 'c']);
    expect(ask([lost], { type: 'executorInfo', peerId: 'd' })).toEqual({ type: 'executorDetails' });
  });

  it('are found by their id', () => {
    expect(ask(peers, { type: 'executorInfo', peerId: 'b' })).toMatchObject({
      executor: { descriptor: { payload: { peerId: 'b' } }, isConnected: true },
    });
    expect(ask(peers, { type: 'executorInfo', peerId: 'nobody' })).toEqual({ type: 'executorDetails' });
  });
});

it('counts executors, models and questions', () => {
  expect(ask(peers, { type: 'getStatistics' })).toEqual({
    type: 'statistics',
    totalExecutors: 3,
    totalModels: 2,
    connectedExecutors: 1,
    totalRequests: 7,
    uptimeMs: 60_000,
  });
});

describe('pages', () => {
  const many = Array.from({ length: 120 }, (_, at) => knownPeer(`p${at}`, offer({}, [`m${at}`])));

  it('have 50 entries unless another number is asked for, and tell how many there are', () => {
    expect(models(many).models).toHaveLength(50);
    expect(models(many, { limit: 100, offset: 100 })).toMatchObject({ totalCount: 120 });
    expect(models(many, { limit: 100, offset: 100 }).models).toHaveLength(20);
    expect(executors(many, { type: 'searchByCapabilities', offset: 200 })).toEqual({
      type: 'executorList',
      executors: [],
      totalCount: 120,
    });
  });

  it('have everybody once and in one order, whatever the pages and the order in which they were heard', () => {
    const property = fc.property(
      fc.shuffledSubarray(many),
      fc.integer({ min: 1, max: 100 }),
      (heard, limit) => {
        const seen: string[] = [];
        while (seen.length < heard.length)
          seen.push(...idsOf(heard, { type: 'searchByCapabilities', limit, offset: seen.length }));
        expect(seen).toEqual(heard.map(({ peerId }) => peerId).toSorted());
      },
    );
    fc.assert(property, { seed: 20_240_611, numRuns: 50 });
  });
});

describe('the largest answers', () => {
  const long = (at: number, text: string): string => `${at}`.padStart(4, '0').padEnd(limits.nameBytes, text);

  /** A peer whose descriptor has about so many bytes. */
  function largePeer(at: number, bytes: number): KnownPeer {
    const count = Math.floor(bytes / 260);
    const service = offer(
      {},
      Array.from({ length: count }, (_, model) => long(model, 'x')),
    );
    const peer = knownPeer(`p${String(at).padStart(4, '0')}`, service);
    const { payload } = peer.message;
    const payloadBytes = encodePayload('ServiceDescriptor', payload);
    const envelope = {
      payloadType: 'ServiceDescriptor' as const,
      signer: zeroAddress,
      to: zeroAddress,
      inReplyTo: zeroDigest,
      timestampMs: Number.MAX_SAFE_INTEGER,
      expiresMs: Number.MAX_SAFE_INTEGER,
      nonce: zeroDigest,
      signature: `0x${'11'.repeat(65)}` as const,
    };
    return { ...peer, message: { ...envelope, payload, payloadBytes } };
  }

  it('of executors are cut to what an answer may have, and say how many there are', () => {
    const large = Array.from({ length: 100 }, (_, at) => largePeer(at, 60_000));
    const seen: string[] = [];
    for (let pages = 0; seen.length < 100; pages++) {
      const query = { type: 'searchByCapabilities', limit: 100, offset: seen.length } as const;
      const result = executors(large, query);
      expect(encodeRegistryResult(result).length).toBeLessThanOrEqual(limits.registryBytes);
      expect(result.totalCount).toBe(100);
      expect(result.executors.length).toBeGreaterThanOrEqual(pages < 12 ? 8 : 1);
      seen.push(...result.executors.map(({ descriptor }) => descriptor.payload.peerId));
    }
    expect(new Set(seen).size).toBe(100);
  });

  it('of small executors fill an answer', () => {
    const sized = Array.from({ length: 100 }, (_, at) => largePeer(at, 8_000));
    const result = executors(sized, { type: 'searchByCapabilities', limit: 100 });
    const bytes = encodeRegistryResult(result).length;
    const [first] = result.executors;
    const room = (first?.descriptor.payloadBytes.length ?? 0) + 130 * result.executors.length;
    expect(bytes).toBeLessThanOrEqual(limits.registryBytes);
    expect(bytes).toBeGreaterThan(limits.registryBytes - room);
  });

  it('of models are cut as well', () => {
    const features = Array.from({ length: 64 }, (_, at) => long(at, 'é'.normalize('NFD')).slice(0, 150));
    const names = Array.from({ length: 200 }, (_, at) => long(at, 'm'));
    const pricing = price('9'.repeat(78));
    const all = models([knownPeer('a', offer({ features, pricing }, names))], { limit: 100 });
    expect(encodeRegistryResult(all).length).toBeLessThanOrEqual(limits.registryBytes);
    expect(all.totalCount).toBe(200);
    expect(all.models.length).toBeGreaterThan(20);
    expect(all.models.length).toBeLessThan(100);
  });
});

describe('when executors have more models together than are looked at', () => {
  const count = 64;
  const each = (prefix: string, length: number): string[] =>
    Array.from({ length }, (_, at) => `${prefix}-${String(at).padStart(4, '0')}`);

  it('each has the same share of the lists, and who has few loses none', () => {
    const greedy = Array.from({ length: count }, (_, at) =>
      knownPeer(`p${at}`, offer({}, each(`p${at}`, limits.listEntries))),
    );
    const modest = knownPeer('modest', offer({}, each('modest', 5)));
    const view = new RegistryView([...greedy, modest], new Set());
    const shares = view.executors.map((executor) => view.modelsOf(executor).length);
    expect(new Set(shares)).toEqual(new Set([5, Math.floor((maxPairs - 5) / count)]));
    expect(view.models.length).toBeLessThanOrEqual(maxModels);
  });

  it('those who serve a model are found all the same', () => {
    const greedy = Array.from({ length: count }, (_, at) =>
      knownPeer(`p${at}`, offer({}, [...each(`p${at}`, limits.listEntries - 1), 'last'])),
    );
    expect(executors(greedy, { type: 'findModel', model: 'last' }).totalCount).toBe(count);
  });
});
