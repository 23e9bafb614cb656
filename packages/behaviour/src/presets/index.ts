/**
 * What the roles of a network want of their nodes: functions that add it to a configuration.
 *
 * @example
 * ```ts
 * const node = await LloomBehaviour.create(Identity.generate(), executor({ bootstrapPeers }));
 * ```
 *
 * @packageDocumentation
 */
export { client } from './client.ts';
export { executor } from './executor.ts';
export type { Preset } from './preset.ts';
export { relay } from './relay.ts';
export { validator } from './validator.ts';
