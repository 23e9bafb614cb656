import type { SignedMessage } from '../../src/index.ts';
import { golden } from './vectors.ts';

/** The golden example of that title, with some members replaced. */
export function example(title: string, changes: object = {}): Record<string, unknown> {
  const found = golden.find((vector) => vector.title === title);
  if (found === undefined) throw new Error(`There is no example "${title}"`);
  return { ...(found.value as object), ...changes };
}

/** The signed request of the examples. */
export function signedRequest(changes: object = {}): SignedMessage {
  const { request } = example('a model request') as { request: { request: SignedMessage } };
  return { ...request.request, ...changes };
}
