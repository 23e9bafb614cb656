import { layered, type Preset } from './preset.ts';

/**
 * A node that asks and serves nobody.
 *
 * @example
 * ```ts
 * const node = await LloomBehaviour.create(identity, client({ bootstrapPeers }));
 * ```
 */
export const client: Preset = (config) =>
  layered(
    {
      // Answers come back over the connections that it opens, so that nobody needs to dial it.
      listenAddresses: [],
      // Whether others could is of no interest: it asks nobody, dials for nobody, and takes no places at relays.
      enableAutonat: false,
    },
    config,
  );
