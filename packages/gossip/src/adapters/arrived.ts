import type { Connection } from '@libp2p/interface';

/** What of a connection is used. Its types do not show it, so that another version may not have it. */
interface Pinged {
  readonly muxer?: { ping?(options: { readonly signal: AbortSignal }): Promise<unknown> };
}

/**
 * Resolves when the other ends have what was sent to them: a muxer answers a ping behind everything that came before it. libp2p cuts
 * connections half a second after it began to close them, and with them what has not arrived. Never rejects.
 */
export async function arrived(connections: readonly Connection[], signal: AbortSignal): Promise<void> {
  const ping = async (connection: Pinged): Promise<void> => {
    try {
      await connection.muxer?.ping?.({ signal });
    } catch {
      // Whoever does not answer is not waited for.
    }
  };
  await Promise.all(connections.map((connection) => ping(connection as Pinged)));
}
