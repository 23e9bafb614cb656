import type { Connection } from '@libp2p/interface';

/** What tells by which way bytes go. */
export type CarryingConnection = Pick<Connection, 'id' | 'direct' | 'remoteAddr'>;

/** The peer id of the relay that a connection goes through; `undefined` for a direct one, and where its address does not name it. */
export function relayOf({ direct, remoteAddr }: CarryingConnection): string | undefined {
  if (direct) return undefined;
  const components = remoteAddr.getComponents();
  const circuit = components.findIndex(({ name }) => name === 'p2p-circuit');
  const before = components[circuit - 1];
  return before?.name === 'p2p' ? before.value : undefined;
}
