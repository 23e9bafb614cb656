// Everything that the checks know about this repository and that may need a reviewed change.

/** Which packages a package may depend on. Whoever is missing here has no place yet. */
const siblings = ['peers', 'rpc', 'gossip', 'discovery', 'nat', 'metrics'];
const below = ['core', 'codec', 'identity'];
export const layers: Readonly<Record<string, readonly string[]>> = {
  core: [],
  codec: ['core'],
  identity: ['core', 'codec'],
  transport: ['core'],
  peers: ['core'],
  rpc: ['core', 'codec'],
  gossip: ['core', 'codec'],
  discovery: ['core', 'codec'],
  nat: ['core'],
  metrics: ['core'],
  behaviour: [...below, 'transport', ...siblings],
  simkit: ['core'],
  simulator: [...below, 'simkit', 'behaviour'],
  inspector: [],
  cli: [...below, 'behaviour', 'simkit', 'simulator', 'inspector'],
};

/** What tests, examples and benchmarks of any package may use besides its own layers. */
export const testLayers = [...below, 'simkit', 'inspector'];

/** Entry points that are for tests and their configuration only. */
export const testEntries = ['vitest', 'reporter', 'node-test'];

/** Entry points that change the process: for whoever starts one, before anything else is loaded. */
export const startEntries = ['remember-keys'];

/** Entry points that any package may use which may use their package: what not everybody should load. */
export const furtherEntries = ['loopback', 'html', 'presets'];

/** Entry points that load inside a running Vitest only. */
export const insideVitest = ['./vitest'];

/** Packages that meet in one place only. */
export const peersOfEachOther = siblings;

/** Files of behaviour that may join several of those packages at run time. */
export const joiners = ['index.ts', 'wiring.ts', 'config.ts', 'machines/index.ts'];

/** Modules that speak libp2p. */
export const libp2pModule = /^(?:libp2p|@libp2p\/.*|@multiformats\/.*|@chainsafe\/libp2p-.*)$/;

/** What a room of a package may hold and import. `own` lists the package's own rooms. */
export interface Room {
  /** Globs of files under src. `$` stands for the package's name. */
  readonly files: readonly string[];
  /** Own rooms that may be imported; all of them when absent. */
  readonly own?: readonly string[];
  readonly xstate?: boolean;
  /** `types` allows type-only imports. */
  readonly libp2p?: 'types' | 'run time';
  readonly node?: boolean;
  /** No clock, timers, randomness or output: everything comes in from outside. */
  readonly pure?: boolean;
  /** Imports and exports joined without decisions. */
  readonly noLogic?: boolean;
  /** Packages besides the workspace's own that may be imported, all when absent. */
  readonly modules?: readonly string[];
  readonly lines?: number;
}

const quiet = ['internal', 'types', 'events', 'errors', 'ports', 'config'];

const machines: Room = {
  files: ['machines/*.machine.ts'],
  own: ['internal', 'types', 'errors', 'machines'],
  xstate: true,
  pure: true,
  modules: ['xstate'],
  lines: 200,
};

const service: Room = {
  files: ['$.ts'],
  own: [...quiet, 'machines'],
  xstate: true,
  libp2p: 'types',
  lines: 300,
};

/** The rooms of a package with machines: the same everywhere. */
const machinePackage: Readonly<Record<string, Room>> = {
  index: { files: ['index.ts'], libp2p: 'types', noLogic: true },
  service,
  config: { files: ['config.ts'], own: quiet, libp2p: 'types', pure: true },
  events: { files: ['events.ts'], own: quiet, libp2p: 'types', pure: true },
  errors: { files: ['errors.ts'], own: quiet, libp2p: 'types', pure: true },
  ports: { files: ['ports.ts'], own: quiet, libp2p: 'types', pure: true },
  types: { files: ['types.ts'], own: quiet, libp2p: 'types', pure: true },
  machinesIndex: { files: ['machines/index.ts'], own: ['machines'], noLogic: true },
  machines,
  internal: { files: ['internal/*.ts'], own: quiet, libp2p: 'types', pure: true },
  adapters: { files: ['adapters/*.ts'], own: [...quiet, 'adapters'], libp2p: 'run time', node: true },
};

/** Packages whose rooms differ. */
const ownTables: Readonly<Record<string, Readonly<Record<string, Room>>>> = {
  rpc: {
    ...machinePackage,
    // The service's interface stands by itself: it is all that a user reads.
    types: { files: ['types.ts', 'api.ts'], own: quiet, libp2p: 'types', pure: true },
    machinesIndex: { files: ['machines/index.ts'], own: ['machines', 'service'], noLogic: true },
    // Requests are many: their machines run as tables.
    machines: { ...machines, files: [...machines.files, 'machines/transitionTable.ts'] },
    // The service is split by lifecycle: one file a direction, the sessions that carry requests, and what all share.
    service: {
      files: [
        '$.ts',
        'outbound.ts',
        'outgoing.ts',
        'call*.ts',
        'inbound.ts',
        'execution*.ts',
        'runtime.ts',
        'lifecycle.ts',
        'session*.ts',
        '*Session.ts',
        '*Stream.ts',
        'carriers*.ts',
        'protocols.ts',
      ],
      own: [...quiet, 'machines', 'service'],
      xstate: true,
      libp2p: 'types',
      lines: 300,
    },
  },
  discovery: {
    ...machinePackage,
    types: { files: ['types.ts', 'api.ts'], own: quiet, libp2p: 'types', pure: true },
    // The service is split by lifecycle: a file for each machine, and one that makes them.
    service: {
      files: [
        '$.ts',
        'advertising.ts',
        'announcing.ts',
        'joining.ts',
        'localPeers.ts',
        'pruning.ts',
        'refreshing.ts',
        'registry.ts',
        'rendezvous.ts',
        'running.ts',
        'actors.ts',
      ],
      own: [...quiet, 'machines', 'service'],
      xstate: true,
      libp2p: 'types',
      lines: 300,
    },
  },
  peers: {
    ...machinePackage,
    types: { files: ['types.ts', 'api.ts'], own: quiet, libp2p: 'types', pure: true },
    // The service is split by what is looked after: one file for each.
    service: {
      files: [
        '$.ts',
        'banning.ts',
        'liveness.ts',
        'parts.ts',
        'peerActors.ts',
        'pooling.ts',
        'standing.ts',
        'trackedPeer.ts',
        'tracking.ts',
      ],
      own: [...quiet, 'machines', 'service'],
      xstate: true,
      libp2p: 'types',
      lines: 300,
    },
  },
  gossip: {
    ...machinePackage,
    types: { files: ['types.ts', 'api.ts'], own: quiet, libp2p: 'types', pure: true },
    // The service is split by what is looked after: one file for each, and one that makes actors.
    service: {
      files: [
        '$.ts',
        'actors.ts',
        'alarms.ts',
        'publishing.ts',
        'receiving.ts',
        'searching.ts',
        'subscriptions.ts',
        'topics.ts',
      ],
      own: [...quiet, 'machines', 'service'],
      xstate: true,
      libp2p: 'types',
      lines: 300,
    },
  },
  nat: {
    ...machinePackage,
    types: { files: ['types.ts', 'api.ts'], own: quiet, libp2p: 'types', pure: true },
    // The service is split by what is looked after: one file for each, and one that makes actors.
    service: {
      files: [
        '$.ts',
        'actors.ts',
        'circuits.ts',
        'probing.ts',
        'relaying.ts',
        'reserving.ts',
        'upgrading.ts',
      ],
      own: [...quiet, 'machines', 'service'],
      xstate: true,
      libp2p: 'types',
      lines: 300,
    },
  },
  metrics: {
    ...machinePackage,
    types: { files: ['types.ts', 'api.ts'], own: quiet, libp2p: 'types', pure: true },
    // What counts events works without a node, and so without the service.
    service: { ...service, files: ['$.ts', 'eventMonitor.ts'] },
  },
  core: {
    index: { files: ['index.ts', 'loopback.ts'], noLogic: true },
    // HTTP on this machine, an entry of its own: nothing else in this package is about Node.
    loopback: { files: ['loopback/*.ts'], node: true },
    vocabulary: { files: ['*.ts', 'internal/*.ts'], libp2p: 'run time' },
  },
  codec: {
    index: { files: ['index.ts'], noLogic: true },
    wire: { files: ['*.ts', 'internal/*.ts', 'messages/*.ts', 'generated/*'], pure: true },
  },
  identity: {
    index: { files: ['index.ts'], noLogic: true },
    keys: { files: ['*.ts', 'internal/*.ts'], libp2p: 'run time', node: true },
    adapters: { files: ['adapters/*.ts'], libp2p: 'run time', node: true },
  },
  transport: {
    index: { files: ['index.ts'], noLogic: true },
    config: { files: ['config.ts', 'ports.ts'], own: ['config'], libp2p: 'types', pure: true },
    internal: { files: ['internal/*.ts'], own: ['internal', 'config'], libp2p: 'types', pure: true },
    logging: { files: ['logging.ts'], libp2p: 'types' },
    stack: { files: ['stack.ts'], libp2p: 'run time' },
    adapters: { files: ['adapters/*.ts'], libp2p: 'run time', node: true },
  },
  behaviour: {
    index: { files: ['index.ts'], noLogic: true },
    machinesIndex: { files: ['machines/index.ts'], noLogic: true },
    machines,
    service: { files: ['$.ts', 'debugging.ts'], xstate: true, libp2p: 'types', lines: 300 },
    wiring: { files: ['wiring.ts'], libp2p: 'types' },
    surface: { files: ['surface/*.ts'], libp2p: 'types' },
    // What a role wants follows from what is given alone.
    presets: { files: ['presets/*.ts'], own: ['presets', 'data'], libp2p: 'types', pure: true },
    data: {
      files: ['config.ts', 'events.ts', 'errors.ts', 'ports.ts', 'types.ts'],
      libp2p: 'types',
      pure: true,
    },
    internal: { files: ['internal/*.ts'], libp2p: 'types' },
    adapters: { files: ['adapters/*.ts'], libp2p: 'run time', node: true },
  },
  simkit: {
    index: { files: ['index.ts'], noLogic: true },
    // What a link does to a segment follows from its arguments alone.
    link: { files: ['link.ts'], own: [], pure: true },
    network: { files: ['*.ts', 'internal/*.ts'], libp2p: 'run time', node: true },
    adapters: { files: ['adapters/*.ts'], libp2p: 'run time', node: true },
  },
  simulator: {
    index: { files: ['index.ts'], noLogic: true },
    data: {
      files: ['types.ts', 'errors.ts', 'config.ts', 'measures.ts', 'regions.ts', '*/types.ts'],
      own: ['data'],
      libp2p: 'types',
      pure: true,
    },
    machinesIndex: { files: ['machines/index.ts'], own: ['machines'], noLogic: true },
    machines: { ...machines, own: ['data', 'machines'] },
    // Reports follow from what was measured alone.
    report: { files: ['report/*.ts'], own: ['data', 'report'], pure: true },
    scenario: { files: ['scenario/*.ts'], node: true },
    // The simulator is split by what is looked after: one file for each.
    service: {
      files: ['networkSimulator.ts', 'vitest.ts', 'internal/*.ts'],
      xstate: true,
      libp2p: 'types',
      lines: 300,
    },
  },
  inspector: {
    index: { files: ['index.ts', 'html.ts', 'vitest.ts', 'reporter.ts'], noLogic: true },
    // What Node's own runner is given.
    nodeTest: { files: ['nodeTest.ts'], node: true },
    // What a program may use; machines are seen through the types of XState only.
    recorder: { files: ['*.ts', 'internal/*.ts'], own: ['recorder', 'page'], xstate: true },
    // Pages, and what runs in them.
    page: { files: ['page/*.ts', 'page/browser/*.ts'], own: ['recorder', 'page'] },
    // What runs inside and around Vitest.
    vitest: { files: ['vitest/*.ts'], xstate: true, node: true },
  },
  cli: {
    index: { files: ['index.ts'], noLogic: true },
    entry: { files: ['bin.ts'], node: true },
    commands: {
      files: [
        '*.ts',
        'commands/*.ts',
        'demo/*.ts',
        'doctor/*.ts',
        'gateway/*.ts',
        'simulate/*.ts',
        'view/*.ts',
        'view/browser/*.ts',
        'view/page/*.ts',
        'internal/*.ts',
        'backends/*.ts',
      ],
      node: true,
    },
  },
};

/** Packages that are about XState, so that their types may name it. */
export const namesXState = ['inspector'];

export const roomsOf = (name: string): Readonly<Record<string, Room>> => ownTables[name] ?? machinePackage;

/** Code lines, without comments and blank lines, of any file. */
export const fileBudget = 400;

/** Exported names of a front door; the exceptions are reviewed one by one. */
export const frontDoor = { packages: siblings, names: 12 };
export const frontDoorExceptions: Readonly<Record<string, { readonly names: number; readonly why: string }>> =
  {
    discovery: {
      names: 56,
      why: 'users name what they find, why it was chosen, what validators say, how members are known, and the ports that others fill',
    },
    gossip: {
      names: 37,
      why: 'users write codecs and validators for topics of their own, and name the ports that others fill',
    },
    metrics: {
      names: 15,
      why: 'it serves three that are used apart: figures of a node, traces, and counts of events',
    },
    nat: {
      names: 28,
      why: 'users configure four roles, are told why a connection stays relayed, and name the ports that others fill',
    },
    peers: {
      names: 36,
      why: 'users name what they are told of peers, how they limit them, and the ports that others fill',
    },
    rpc: {
      names: 48,
      why: 'users write handlers, protocols and codecs, and read answers, so they name the shapes of all',
    },
  };

/**
 * What the tarball of a package, and what is in it, may come to: about a tenth above what it was when that was looked at last. Bytes,
 * `npm run check -- packages` says what it is now.
 */
export const sizeBudgets: Readonly<
  Record<string, { readonly packedBytes: number; readonly unpackedBytes: number }>
> = {
  behaviour: { packedBytes: 165_000, unpackedBytes: 650_000 },
  // All that the command runs is in it.
  cli: { packedBytes: 1_660_000, unpackedBytes: 6_790_000 },
  codec: { packedBytes: 145_000, unpackedBytes: 1_200_000 },
  core: { packedBytes: 85_000, unpackedBytes: 310_000 },
  discovery: { packedBytes: 320_000, unpackedBytes: 1_370_000 },
  gossip: { packedBytes: 225_000, unpackedBytes: 930_000 },
  identity: { packedBytes: 115_000, unpackedBytes: 450_000 },
  inspector: { packedBytes: 265_000, unpackedBytes: 1_030_000 },
  metrics: { packedBytes: 105_000, unpackedBytes: 560_000 },
  nat: { packedBytes: 275_000, unpackedBytes: 1_160_000 },
  peers: { packedBytes: 285_000, unpackedBytes: 1_220_000 },
  rpc: { packedBytes: 450_000, unpackedBytes: 1_980_000 },
  simkit: { packedBytes: 220_000, unpackedBytes: 870_000 },
  simulator: { packedBytes: 290_000, unpackedBytes: 1_170_000 },
  transport: { packedBytes: 55_000, unpackedBytes: 190_000 },
};

/** Entry points whose machines are read with the types of XState, such as `ContextFrom<typeof requestMachine>`. */
export const ownMachineEntries = ['./machines'];

/** What is part of a declaration and has no name for users all the same; the exceptions are reviewed one by one. */
export const unnamedTypes: Readonly<
  Record<string, { readonly names: readonly string[]; readonly why: string }>
> = {
  behaviour: {
    names: [
      'DebuggingSurface',
      'DiscoverySurface',
      'GossipSurface',
      'MetricsSurface',
      'NatSurface',
      'NodeServices',
      'PeersSurface',
      'RpcSurface',
      'Services',
      'StateSurface',
    ],
    why: 'the parts that LloomBehaviour is put together from',
  },
  cli: {
    names: ['AskingNode', 'continuations', 'FeedLimits', 'policies', 'Said'],
    why: 'lists behind `Continuation` and `GatewayPolicy`, a part of `GatewayNode`, what tests change, what errors have in common',
  },
  codec: {
    names: ['GossipStamp', 'RegistryPage', 'Usage'],
    why: 'fields that several messages have in common',
  },
  core: { names: ['Machine'], why: 'what `isTraced` asks of a machine, so that core needs no XState' },
  discovery: { names: ['SelectRecord', 'ValidateRecord'], why: 'functions in the form of kad-dht' },
  gossip: { names: ['OwnPeer', 'WithoutStamp'], why: 'steps on the way to `GossipMessageInput`' },
  identity: { names: ['Domain', 'typedDataOf'], why: 'what `EnvelopeTypedData` is derived from' },
  inspector: { names: ['BrowserPart'], why: 'what any function is that a page may be given' },
  rpc: {
    names: ['requestIdBrand', 'RequestRef', 'Said', 'saidCodes'],
    why: 'the mark of `RequestId`, the list behind `SaidCode`, and what errors have in common',
  },
  simkit: { names: ['Cid', 'Message', 'Mode', 'QueryPath'], why: 'words of kad-dht' },
};
