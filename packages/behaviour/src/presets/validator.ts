import { layered, type Preset } from './preset.ts';

/**
 * A node through which others join, and which they ask who there is.
 *
 * @example
 * ```ts
 * const node = await LloomBehaviour.create(identity, validator({ listenAddresses: ['/ip4/0.0.0.0/tcp/4001'] }));
 * ```
 */
export const validator: Preset = (config) =>
  layered(
    {
      // Whoever knows nobody else hears everything from it: its meshes are wide.
      packages: { gossip: { profile: 'bootstrapper' } },
    },
    config,
  );
