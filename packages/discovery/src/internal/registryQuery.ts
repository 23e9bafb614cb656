import { CodecError, encodeRegistryQuery, type RegistryQuery } from '@lloom/codec';
import { DiscoveryError, type DiscoveryErrorData } from '../errors.ts';

const page = ['filters', 'limit', 'offset'];

const members: Readonly<Record<RegistryQuery['type'], readonly string[]>> = {
  listAllModels: page,
  findModel: ['model', ...page],
  executorInfo: ['peerId'],
  searchByCapabilities: page,
  getStatistics: [],
};

const filters = ['minContextLength', 'requiredFeatures', 'maxPrice', 'onlyAvailable', 'minSuccessRate'];

/**
 * The bytes of a question that can be asked.
 * @throws {DiscoveryError} `INVALID_QUERY`
 */
export function encodeQuestion(query: RegistryQuery): Uint8Array {
  if (typeof query !== 'object' || query === null)
    throw invalid({ path: 'query', got: query === null ? 'null' : typeof query, wanted: 'an object' });
  try {
    const bytes = encodeRegistryQuery(query);
    checkMembers('', query, ['type', ...members[query.type]]);
    if ('filters' in query && query.filters !== undefined) checkMembers('filters.', query.filters, filters);
    return bytes;
  } catch (error) {
    if (!CodecError.is(error, 'INVALID_FIELD')) throw error;
    const { path, got, wanted } = error.data;
    const field = path.replace(/^RegistryRequest\.?(?:[a-zA-Z]+\.)?/, '');
    throw invalid({ path: field === '' ? 'type' : field, got, wanted }, error);
  }
}

/** A filter with another name would silently admit everybody. */
function checkMembers(path: string, value: object, known: readonly string[]): void {
  for (const [key, entry] of Object.entries(value)) {
    if (entry === undefined || known.includes(key)) continue;
    const wanted = `one of ${known.map((name) => path + name).join(', ')}`;
    throw invalid({ path: `${path}${key}`.slice(0, 64), got: 'not known', wanted });
  }
}

function invalid(data: DiscoveryErrorData['INVALID_QUERY'], cause?: unknown): DiscoveryError {
  return new DiscoveryError('INVALID_QUERY', data, { cause });
}
