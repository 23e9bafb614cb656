import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface';

/**
 * A muxer that writes to a connection which is not open any more as to one that is full: it is told to wait. Takes the place of
 * the muxer that it is given.
 *
 * Yamux writes in a microtask when it opens a stream, and nobody catches what is thrown there: a connection that closes in
 * between would end the process. Its streams end with the connection, so that nobody waits in vain.
 */
export function droppingLateWrites(create: () => StreamMuxerFactory): () => StreamMuxerFactory {
  return () => {
    const factory = create();
    const createStreamMuxer = factory.createStreamMuxer.bind(factory);
    return Object.assign(factory, {
      createStreamMuxer(connection: MessageStream) {
        dropLateWrites(connection);
        return createStreamMuxer(connection);
      },
    });
  };
}

function dropLateWrites(connection: MessageStream): void {
  const send = connection.send.bind(connection);
  connection.send = (data) => {
    try {
      return send(data);
    } catch (error) {
      // A connection that cannot write aborts itself before it throws.
      if (connection.status === 'open') throw error;
      return false;
    }
  };
}
