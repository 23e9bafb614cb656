import { lloom } from './generated/lloom.js';
import { decode, encode, type MessageFormat } from './internal/convert.ts';
import {
  flag,
  list,
  mapped,
  optional,
  ratio,
  record,
  uint32,
  uint64,
  wei,
  whole,
} from './internal/fields.ts';
import type { Field, RecordFields } from './internal/fields.ts';
import { nothing, reason, signed, versioned, zeroIsAbsent } from './internal/frameFields.ts';
import { absentWhenEmpty, name, pricingInfo, union } from './internal/schema.ts';
import { limits } from './limits.ts';
import type {
  RegistryExecutor,
  RegistryFilters,
  RegistryModel,
  RegistryQuery,
  RegistryResult,
  RegistryStatistics,
} from './types.ts';

type Variant<T extends { readonly type: string }, K extends T['type']> = Omit<
  Extract<T, { readonly type: K }>,
  'type'
>;

const features = list(name, limits.registryFeatures);

const falseIsAbsent: Field<boolean | undefined> = mapped(flag, {
  to: (value) => value ?? false,
  from: (value) => (value ? true : undefined),
});

const filters = record<RegistryFilters>({
  minContextLength: optional(uint32),
  requiredFeatures: absentWhenEmpty(features),
  maxPrice: optional(wei, true),
  onlyAvailable: falseIsAbsent,
  minSuccessRate: optional(ratio),
});

type Page = Variant<RegistryQuery, 'listAllModels'>;

const page: RecordFields<Page> = {
  filters: optional(filters),
  limit: optional(whole(1, limits.registryEntries)),
  offset: zeroIsAbsent,
};

const registryRequest: MessageFormat<RegistryQuery> = {
  name: 'RegistryRequest',
  wire: lloom.RegistryRequest,
  unions: { '': { path: [], beside: [1] } },
  maxBytes: limits.registryQueryBytes,
  fields: versioned(
    union<RegistryQuery>({
      listAllModels: record<Page>(page),
      findModel: record<Page & { model: string }>({ ...page, model: name }),
      executorInfo: record<{ peerId: string }>({ peerId: name }),
      searchByCapabilities: record<Page>(page),
      getStatistics: nothing,
    }),
  ),
};

const model = record<RegistryModel>({
  model: name,
  executorCount: uint32,
  executors: list(name, limits.registryModelExecutors),
  contextLength: optional(uint32),
  features,
  averagePricing: optional(pricingInfo),
});

const executor = record<RegistryExecutor>({
  descriptor: signed('ServiceDescriptor'),
  isConnected: flag,
  lastSeenAt: uint64,
  successRate: optional(ratio),
});

const registryAnswer: MessageFormat<RegistryResult> = {
  name: 'RegistryAnswer',
  wire: lloom.RegistryAnswer,
  unions: { '': { path: [] } },
  maxBytes: limits.registryBytes,
  fields: union<RegistryResult>({
    modelList: record<Variant<RegistryResult, 'modelList'>>({
      models: list(model, limits.registryEntries),
      totalCount: uint64,
    }),
    executorList: record<Variant<RegistryResult, 'executorList'>>({
      executors: list(executor, limits.registryEntries),
      totalCount: uint64,
    }),
    executorDetails: record<{ executor?: RegistryExecutor }>({ executor: optional(executor) }),
    statistics: record<RegistryStatistics>({
      totalExecutors: uint64,
      totalModels: uint64,
      connectedExecutors: uint64,
      totalRequests: uint64,
      uptimeMs: uint64,
    }),
    error: record<{ code: string; message: string }>({ code: name, message: reason }),
  }),
};

/**
 * The bytes of a question to a registry.
 * @throws {CodecError} `INVALID_FIELD`, or `TOO_LARGE` beyond 20 KiB
 */
export const encodeRegistryQuery = (query: RegistryQuery): Uint8Array => encode(registryRequest, query);

/**
 * The question of some bytes.
 * @throws {CodecError} `TOO_LARGE`, `MALFORMED`, `INVALID_FIELD`, `UNKNOWN_VARIANT`
 */
export const decodeRegistryQuery = (bytes: Uint8Array): RegistryQuery => decode(registryRequest, bytes);

/**
 * The bytes of a registry's answer.
 * @throws {CodecError} `INVALID_FIELD`, or `TOO_LARGE` beyond 512 KiB
 */
export const encodeRegistryResult = (result: RegistryResult): Uint8Array => encode(registryAnswer, result);

/**
 * The answer of some bytes. The descriptors in it are not verified.
 * @throws {CodecError} `TOO_LARGE`, `MALFORMED`, `INVALID_FIELD`, `UNKNOWN_VARIANT`
 */
export const decodeRegistryResult = (bytes: Uint8Array): RegistryResult => decode(registryAnswer, bytes);
