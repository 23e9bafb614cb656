import {
  ConfigError,
  integer,
  oneOf,
  resolveConfig,
  systemClock,
  systemRandom,
  type Check,
  type Checks,
} from '@lloom/core';
import { limits } from '@lloom/codec';
import { attempt, shown } from './internal/given.ts';
import type { GossipPorts, ResolvedPorts } from './ports.ts';
import type { MeshSize } from './types.ts';

/** How messages are spread. Every field is optional for users. */
export interface GossipConfig {
  /**
   * How often meshes are mended and hearsay is passed on, in ms.
   * @default 1_000 - a tenth of the specification's `heartbeat_interval`: at 10 s what misses the mesh takes up to 23 s
   */
  readonly heartbeatIntervalMs?: number;
  /**
   * What a message must have: `strict` a valid signature, `permissive` none or a valid one, `anonymous` none at all,
   * `none` whatever. With `anonymous` this node does not sign either. Nodes of one network have the same.
   * @default 'strict' - the specification's `ValidationMode::Strict`
   */
  readonly validationMode?: 'strict' | 'permissive' | 'anonymous' | 'none';
  /**
   * `bootstrapper` for a node through which many join: its mesh is wide, so that those who know nobody else miss nothing.
   * @default 'member'
   */
  readonly profile?: 'member' | 'bootstrapper';
  /**
   * How many neighbours are kept in the mesh of each topic. `target` at most `high`, at most 256.
   * @default { target: 6, high: 12 }, and { target: 64, high: 128 } for a bootstrapper
   */
  readonly meshSize?: MeshSize | undefined;
  /**
   * The largest message, in bytes. Nodes of one network have the same.
   * @default 65_536 - what Rust nodes take
   */
  readonly maxMessageBytes?: number;
  /**
   * How many messages a second one author may publish on a topic, over time; this node keeps to it itself. One neighbour may
   * hand over 64 times as many, of all authors on all topics.
   * @default 50 - ten times what announcements need
   */
  readonly maxMessagesPerSecond?: number;
  /**
   * And how many of them at once. This node says half as many: the rest is for links that stand still.
   * @default 200 - what a link that stood still for some seconds brings
   */
  readonly maxMessageBurst?: number;
  /**
   * How far the time in a message may lie from this node's clock, in ms.
   * @default 60_000 - half of the time for which messages are remembered, so that none comes twice
   */
  readonly maxMessageAgeMs?: number;
  /**
   * How long a message waits for somebody to publish it to, in ms. The router may take as long to send it, and 1 s at least.
   * @default 5_000 - a dial, an identification and a subscription over a slow link
   */
  readonly publishTimeoutMs?: number;
  /**
   * How many messages wait at the same time.
   * @default 256
   */
  readonly maxPendingPublishes?: number;
  /**
   * How long a validator of a topic may take, in ms.
   * @default 2_000 - two heartbeats; later the message is forgotten by most
   */
  readonly validationTimeoutMs?: number;
  /**
   * How many messages are validated at the same time, of one neighbour a quarter at most.
   * @default 1_024
   */
  readonly maxPendingValidations?: number;
  /**
   * How long a topic may lack peers before it is told as degraded, in ms. It is mended long before.
   * @default 10_000 - ten heartbeats
   */
  readonly degradedAfterMs?: number;
}

/** A complete configuration. */
export type ResolvedConfig = Readonly<Required<GossipConfig>> & { readonly meshSize: MeshSize };

/** What holds when a field is not given; each has its source beside it in {@link GossipConfig}. */
export const gossipDefaults = Object.freeze({
  heartbeatIntervalMs: 1_000,
  validationMode: 'strict',
  profile: 'member',
  meshSize: undefined,
  maxMessageBytes: limits.gossipBytes,
  maxMessagesPerSecond: 50,
  maxMessageBurst: 200,
  maxMessageAgeMs: 60_000,
  publishTimeoutMs: 5_000,
  maxPendingPublishes: 256,
  validationTimeoutMs: 2_000,
  maxPendingValidations: 1_024,
  degradedAfterMs: 10_000,
} satisfies Required<GossipConfig>);

/** The meshes of each profile. */
const profileMeshes: Readonly<Record<'member' | 'bootstrapper', MeshSize>> = {
  member: Object.freeze({ target: 6, high: 12 }),
  bootstrapper: Object.freeze({ target: 64, high: 128 }),
};

const maxMesh = 256;

/** Whether a mesh can have that size. */
export const meshSize: Check = (value) => {
  const { target, high } = attempt(() => ({ ...(value as Partial<MeshSize>) })) ?? {};
  const isSize = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 1;
  const fits = isSize(target) && isSize(high) && target <= high && high <= maxMesh;
  return fits ? undefined : `{ target, high } with 1 <= target <= high <= ${maxMesh}`;
};

const duration = integer(1, 86_400_000);

const checks: Checks<Required<GossipConfig>> = {
  heartbeatIntervalMs: integer(100, 60_000),
  validationMode: oneOf('strict', 'permissive', 'anonymous', 'none'),
  profile: oneOf('member', 'bootstrapper'),
  meshSize,
  maxMessageBytes: integer(1_024, 1_048_576),
  maxMessagesPerSecond: integer(1, 1_000_000),
  maxMessageBurst: integer(1, 1_000_000),
  maxMessageAgeMs: integer(1_000, 60_000),
  publishTimeoutMs: integer(0, 86_400_000),
  maxPendingPublishes: integer(0, 65_536),
  validationTimeoutMs: duration,
  maxPendingValidations: integer(1, 65_536),
  degradedAfterMs: duration,
};

/**
 * A complete configuration and complete ports from what the user gave, mixed.
 * @throws {ConfigError} listing every problem
 */
export function resolveGossipConfig(input: GossipConfig & GossipPorts = {}): {
  readonly config: ResolvedConfig;
  readonly ports: ResolvedPorts;
} {
  const isObject = typeof input === 'object' && (input as unknown) !== null && !Array.isArray(input);
  const all: GossipConfig & GossipPorts = isObject ? input : {};
  const { inspect, clock = systemClock, random = systemRandom, meter, ...rest } = all;
  const { keys, dialer, topicPeers, score, reputation, ...given } = rest;
  const defaults: Required<GossipConfig> = gossipDefaults;
  const resolved = resolveConfig<Required<GossipConfig>>(
    'gossip',
    { checks, defaults },
    isObject ? given : input,
  );
  const config = { ...resolved, meshSize: resolved.meshSize ?? profileMeshes[resolved.profile] };
  const ports = { inspect, clock, random, meter, keys, dialer, topicPeers, score, reputation };
  return { config, ports };
}

/**
 * A mesh size that can be used.
 * @throws {ConfigError}
 */
export function checkMeshSize(size: MeshSize): MeshSize {
  const wanted = meshSize(size);
  if (wanted === undefined) return size;
  const got = `{ target: ${shown(size.target)}, high: ${shown(size.high)} }`;
  throw new ConfigError([{ path: 'meshSize', got, wanted }]);
}
