// What a published manifest says in place of the one in the repository: ranges, where the repository has exact versions (ADR 0049).

/**
 * Whose inside a package leans on: it takes patch releases of them (`~`), and releases without a breaking change of everything else
 * (`^`).
 */
const closeTo = {
  // Replaces methods of its instance.
  '@lloom/gossip': ['@libp2p/gossipsub'],
  // Makes tables of what a machine is compiled to.
  '@lloom/rpc': ['xstate'],
  // Reads its routing table, and copes with what it does not check.
  '@lloom/behaviour': ['@libp2p/kad-dht'],
  // Writes into its reservations, which no other way leads to.
  '@lloom/nat': ['@libp2p/circuit-relay-v2'],
};

const exact = /^\d+\.\d+\.\d+$/;

/** The manifest as it is packed. */
export function published({ scripts: _, devDependencies: __, ...manifest }) {
  const ranges = (dependencies) =>
    Object.fromEntries(
      Object.entries(dependencies).map(([name, version]) => {
        const sign = closeTo[manifest.name]?.includes(name) ? '~' : '^';
        return [name, exact.test(version) ? `${sign}${version}` : version];
      }),
    );
  for (const kind of ['dependencies', 'optionalDependencies']) {
    if (manifest[kind] !== undefined) manifest[kind] = ranges(manifest[kind]);
  }
  return manifest;
}
