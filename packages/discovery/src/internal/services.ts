import { CodecError, encodePayload, type ServiceDescriptor, type ServiceType } from '@lloom/codec';
import { DiscoveryError } from '../errors.ts';
import type { ServiceQuery } from '../types.ts';
import { shardKey, shardOf } from './shards.ts';

/** All offers of a node together, encoded: leaves room for addresses and envelope in the 64 KiB of a descriptor. */
const maxOfferBytes = 48 * 1024;
const maxModelBytes = 256;
const maxModels = 1_024;

/** The key of the DHT under which providers of what is asked for are found. */
export function keyOf(query: ServiceQuery): string {
  return query.kind === 'executor' && query.model !== undefined
    ? `lloom/model/${query.model}`
    : `lloom/${query.kind}`;
}

/** The keys of the DHT under which an offer of a peer is found, each once: whole keys, and the peer's part of each. */
export function keysOf(service: ServiceType, peerId: string): string[] {
  const role = keyOf({ kind: service.kind });
  const models = service.kind === 'validator' ? [] : service.models;
  const whole = [role, ...new Set(models.map((model) => keyOf({ kind: 'executor', model })))];
  const shard = shardOf(peerId);
  return [...whole, ...whole.map((key) => shardKey(key, shard))];
}

/** The first service of a descriptor that is what was asked for. */
export function findOffer(
  descriptor: Pick<ServiceDescriptor, 'services'>,
  query: ServiceQuery,
): ServiceType | undefined {
  return descriptor.services.find((service) => {
    if (service.kind !== query.kind) return false;
    if (service.kind !== 'executor' || query.kind !== 'executor' || query.model === undefined) return true;
    return service.models.includes(query.model);
  });
}

/**
 * A query that can be asked.
 * @throws {DiscoveryError} `INVALID_SERVICE`
 */
export function checkQuery(query: ServiceQuery): ServiceQuery {
  if (query.kind !== 'executor' || !('model' in query)) return query;
  const model: unknown = query.model;
  const bytes = typeof model === 'string' ? new TextEncoder().encode(model).length : 0;
  if (bytes > 0 && bytes <= maxModelBytes) return query;
  const got = typeof model === 'string' ? `a text of ${bytes} bytes` : typeof model;
  throw new DiscoveryError('INVALID_SERVICE', {
    path: 'model',
    got,
    wanted: `a text of 1 to ${maxModelBytes} bytes`,
  });
}

/**
 * A copy of an offer that can be signed and sent together with the node's other offers.
 * @throws {DiscoveryError} `INVALID_SERVICE`
 */
export function checkService(service: ServiceType, others: readonly ServiceType[]): ServiceType {
  const invalid = (path: string, got: string, wanted: string): DiscoveryError<'INVALID_SERVICE'> =>
    new DiscoveryError('INVALID_SERVICE', { path, got, wanted });
  const kind: unknown = service?.kind;
  if (kind !== 'executor' && kind !== 'validator')
    throw invalid('kind', describe(kind), '"executor" or "validator"');
  if (service.kind === 'executor' && Array.isArray(service.models) && service.models.length === 0) {
    throw invalid('models', 'an empty list', 'at least one model');
  }
  const size = sizeOf([service]) + sizeOf(others);
  if (size > maxOfferBytes)
    throw invalid('services', `${size} bytes`, `at most ${maxOfferBytes} bytes in all`);
  return structuredClone(service);
}

/**
 * The names of models, as a caller gave them.
 * @throws {DiscoveryError} `INVALID_SERVICE`
 */
export function checkModels(models: readonly string[]): readonly string[] {
  const isList: boolean = Array.isArray(models);
  if (!isList || models.length > maxModels) {
    const got = isList ? `${models.length} names` : describe(models);
    throw new DiscoveryError('INVALID_SERVICE', {
      path: 'models',
      got,
      wanted: `at most ${maxModels} names`,
    });
  }
  for (const model of models) checkQuery({ kind: 'executor', model });
  return [...models];
}

function sizeOf(services: readonly ServiceType[]): number {
  try {
    return encodePayload('ServiceDescriptor', { peerId: 'self', sequence: 0, services, addresses: [] })
      .length;
  } catch (error) {
    if (CodecError.is(error, 'TOO_LARGE')) return error.data.sizeBytes;
    if (!CodecError.is(error, 'INVALID_FIELD')) throw error;
    const { path, got, wanted } = error.data;
    const field = path.replace(/^ServiceDescriptor\.services\[\d+\]\.(?:executor|validator)\./, '');
    throw new DiscoveryError('INVALID_SERVICE', { path: field, got, wanted }, { cause: error });
  }
}

function describe(value: unknown): string {
  return typeof value === 'string' ? `"${value.slice(0, 40)}"` : value === null ? 'null' : typeof value;
}
