import type { Connection } from '@libp2p/interface';

/** What of a connection is used. Its types do not show all of it, so that another version may not have it. */
interface Pinged extends Pick<Connection, 'status' | 'addEventListener'> {
  readonly muxer?: { ping?(options: { readonly signal: AbortSignal }): Promise<unknown> };
}

/**
 * Resolves when the other ends have what was sent to them, or are gone: a muxer answers a ping behind everything that came before it.
 * libp2p cuts connections half a second after it began to close them, and with them what has not arrived. Never rejects.
 */
export async function arrived(connections: readonly Connection[], signal: AbortSignal): Promise<void> {
  await Promise.all(connections.map((connection) => answered(connection as Pinged, signal)));
}

async function answered(connection: Pinged, signal: AbortSignal): Promise<void> {
  if (connection.status !== 'open') return;
  // A muxer whose other end closes meanwhile does not end its ping.
  const closed = new Promise((resolve) => connection.addEventListener('close', resolve, { once: true }));
  try {
    await Promise.race([connection.muxer?.ping?.({ signal }), closed]);
  } catch {
    // Whoever does not answer is not waited for.
  }
}
