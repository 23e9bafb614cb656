import type { Connection, MultiaddrConnection } from '@libp2p/interface';

/** The remote addresses of connections that punches opened: each object belongs to one connection, from before it is upgraded. */
const addresses = new WeakSet<object>();

/** Marks what becomes a connection by a punch. To be called before the peer can open a stream on it. */
export const markPunched = ({ remoteAddr }: Pick<MultiaddrConnection, 'remoteAddr'>): void =>
  void addresses.add(remoteAddr);

/** Whether a punch opened a connection. It says nothing about who else could open one, although it may come in. */
export const isPunched = ({ remoteAddr }: Pick<Connection, 'remoteAddr'>): boolean =>
  addresses.has(remoteAddr);
