import { layered, type Preset } from './preset.ts';

/**
 * A node that carries connections for those who cannot be reached. It has to be reached itself.
 *
 * A node that does something else as well has both presets: `relay(validator({ bootstrapPeers }))`.
 *
 * @example
 * ```ts
 * const node = await LloomBehaviour.create(identity, relay({ listenAddresses: ['/ip4/0.0.0.0/tcp/4001'] }));
 * ```
 */
export const relay: Preset = (config) =>
  layered(
    {
      // A connection for each of the 128 places that it has by default, and four peers on average who dial through each.
      maxConnections: 640,
      packages: { nat: { relayServer: {} } },
    },
    config,
  );
