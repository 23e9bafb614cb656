import { describe, expect, test } from 'vitest';

import { limits } from '../src/index.ts';
import type { SignedMessage } from '../src/index.ts';
import { errorOf } from './support/errors.ts';
import { example, signedRequest } from './support/examples.ts';
import { formats } from './support/formats.ts';
import { carelessBytes, onWire, times, withBytes, type Refusal } from './support/refusals.ts';

const long = 'x'.repeat(limits.nameBytes + 1);
const plainModel = { model: 'm', executorCount: 1, executors: [], features: [] };

const search = (path: string, changes: object): Refusal => {
  const value = { type: 'searchByCapabilities', ...changes };
  const wire = { version: 1, searchByCapabilities: changes };
  return onWire('RegistryRequest', wire)(`searchByCapabilities.${path}`, value);
};

const answer = (type: string, path: string, members: object): Refusal =>
  onWire('RegistryAnswer', { [type]: members })(`${type}.${path}`, { type, ...members });

const model = (path: string, changes: object): Refusal =>
  answer('modelList', `models[0].${path}`, { models: [{ ...plainModel, ...changes }], totalCount: 1 });

type Entry = { readonly descriptor: SignedMessage };

const executor = (path: string, changes: object): Refusal => {
  const { executors } = example('executors') as { executors: readonly Entry[] };
  const entry = { ...executors[0], ...changes } as Entry;
  const descriptor = { ...withBytes(entry.descriptor), payload: entry.descriptor.payloadBytes };
  const wire = { executorDetails: { executor: { ...entry, descriptor } } };
  const value = { type: 'executorDetails', executor: entry };
  return onWire('RegistryAnswer', wire)(`executorDetails.executor.${path}`, value);
};

const refusals: readonly Refusal[] = [
  search('limit', { limit: 0 }),
  search('limit', { limit: limits.registryEntries + 1 }),
  search('offset', { offset: 2 ** 53 }),
  search('filters.requiredFeatures', { filters: { requiredFeatures: times(65, 'tools') } }),
  search('filters.requiredFeatures[0]', { filters: { requiredFeatures: [long] } }),
  search('filters.maxPrice', { filters: { maxPrice: '1.5' } }),
  search('filters.minSuccessRate', { filters: { minSuccessRate: 1.01 } }),
  search('filters.minSuccessRate', { filters: { minSuccessRate: Number.NaN } }),
  onWire('RegistryRequest', { version: 1, findModel: {} })('findModel.model', {
    type: 'findModel',
    model: '',
  }),
  onWire('RegistryRequest', { version: 1, executorInfo: { peerId: long } })('executorInfo.peerId', {
    type: 'executorInfo',
    peerId: long,
  }),
  model('model', { model: '' }),
  model('executors', { executors: times(17, 'p') }),
  model('features', { features: times(65, 'tools') }),
  model('averagePricing.inboundPrice', { averagePricing: { inboundPrice: '', outboundPrice: '1' } }),
  answer('modelList', 'models', { models: times(101, plainModel), totalCount: 101 }),
  executor('successRate', { successRate: -0.1 }),
  executor('lastSeenAt', { lastSeenAt: 2 ** 53 }),
  executor('descriptor.payloadType', { descriptor: signedRequest() }),
  answer('statistics', 'uptimeMs', { ...example('statistics'), uptimeMs: 2 ** 53 }),
  answer('error', 'code', { code: '', message: '' }),
];

describe('one table of values that are refused', () => {
  test.for(refusals)('in both directions: $path', ({ name, path, value, wire }) => {
    const refusal = { code: 'INVALID_FIELD', data: { path } };
    expect(errorOf(() => formats[name].encode(value))).toMatchObject(refusal);
    expect(errorOf(() => formats[name].decode(carelessBytes(name, wire)))).toMatchObject(refusal);
  });
});

test('a question of more than 20 KiB and an answer of more than 512 KiB are refused unread', () => {
  for (const [what, limitBytes] of [
    ['RegistryRequest', limits.registryQueryBytes],
    ['RegistryAnswer', limits.registryBytes],
  ] as const) {
    const data = { what, sizeBytes: limitBytes + 1, limitBytes };
    const error = errorOf(() => formats[what].decode(new Uint8Array(limitBytes + 1)));
    expect(error).toEqual({ code: 'TOO_LARGE', data });
  }
});

test('an answer of more than 512 KiB is not written', () => {
  const features = times(limits.registryFeatures, 'é'.repeat(limits.nameBytes / 2));
  const models = times(limits.registryEntries, { ...plainModel, features });
  const error = errorOf(() => formats.RegistryAnswer.encode({ type: 'modelList', models, totalCount: 100 }));
  expect(error).toMatchObject({ code: 'TOO_LARGE', data: { what: 'RegistryAnswer' } });
});

test('the longest question that is allowed fits', () => {
  const name = 'é'.repeat(limits.nameBytes / 2);
  const filters = {
    minContextLength: 0xffff_ffff,
    requiredFeatures: times(limits.registryFeatures, name),
    maxPrice: '9'.repeat(78),
    onlyAvailable: true,
    minSuccessRate: 1,
  };
  const query = { type: 'findModel', model: name, filters, limit: 100, offset: Number.MAX_SAFE_INTEGER };
  expect(formats.RegistryRequest.decode(formats.RegistryRequest.encode(query))).toEqual(query);
});

test('a question of another version is refused as that', () => {
  const newer = carelessBytes('RegistryRequest', { version: 2, getStatistics: {} });
  const data = { path: 'RegistryRequest.version', got: 'version 2' };
  expect(errorOf(() => formats.RegistryRequest.decode(newer))).toMatchObject({ code: 'INVALID_FIELD', data });
});

test('questions and answers of a kind that is not known are refused as that', () => {
  expect(errorOf(() => formats.RegistryRequest.decode(Uint8Array.of(0x08, 1, 0x4a, 0)))).toEqual({
    code: 'UNKNOWN_VARIANT',
    data: { union: 'RegistryRequest', fields: [9] },
  });
  expect(errorOf(() => formats.RegistryAnswer.decode(Uint8Array.of(0x4a, 0)))).toEqual({
    code: 'UNKNOWN_VARIANT',
    data: { union: 'RegistryAnswer', fields: [9] },
  });
});

test('a descriptor that cannot be read makes the whole answer unreadable', () => {
  const { executors } = example('executors') as { executors: readonly Entry[] };
  const descriptor = { ...withBytes(executors[0]?.descriptor as object), payload: Uint8Array.of(0x0a) };
  const bytes = carelessBytes('RegistryAnswer', { executorDetails: { executor: { descriptor } } });
  expect(errorOf(() => formats.RegistryAnswer.decode(bytes))).toMatchObject({ code: 'MALFORMED' });
});
