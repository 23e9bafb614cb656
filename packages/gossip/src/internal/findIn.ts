import type { TopicPeerSource } from '../ports.ts';

/** Asks one source after the other, as long as whoever asks wants more. One that fails is told, and the next one asked. */
export function findIn(
  sources: readonly Pick<TopicPeerSource, 'find'>[],
  onError: (error: unknown) => void,
): TopicPeerSource['find'] {
  return async function* (topic, config) {
    for (const source of sources) {
      if (config.signal.aborted) return;
      try {
        yield* source.find(topic, config);
      } catch (error) {
        if (!config.signal.aborted) onError(error);
      }
    }
  };
}
