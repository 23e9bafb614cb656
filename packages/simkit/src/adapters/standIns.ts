/** What stands in for libp2p's own services in networks of very many nodes: each answers from what the network knows. */
export interface StandIns {
  /** In place of `identify()`: peers know one another's addresses and protocols as soon as they are connected. */
  readonly identify: unknown;
  /** In place of `kadDHT()`: one table that all nodes share. */
  readonly dht: unknown;
}
