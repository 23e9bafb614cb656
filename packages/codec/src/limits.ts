/** The bounds of the format. Each side refuses what is beyond them, before storing it. */
export const limits = Object.freeze({
  /** A message in its frame, unless the caller sets another limit: 10 MiB. */
  messageBytes: 10 * 1024 * 1024,
  /** All metadata of one request, names and values together. */
  metadataBytes: 4 * 1024,
  /** The payload of one frame of a session. */
  sessionFrameBytes: 64 * 1024,
  /** The head of a request in a session. */
  openHeadBytes: 8 * 1024,
  /** One gossip message. */
  gossipBytes: 64 * 1024,
  /** One service descriptor, also in its envelope. */
  descriptorBytes: 64 * 1024,
  /** One answer of a registry. */
  registryBytes: 512 * 1024,
  /** One question to a registry. */
  registryQueryBytes: 20 * 1024,
  /** Executors or models in one answer of a registry. */
  registryEntries: 100,
  /** Executors that a registry names of one model. */
  registryModelExecutors: 16,
  /** Features that a registry is asked for, or names of one model. */
  registryFeatures: 64,
  /** The JSON text of one `extra`: of a request, a message of a chat, an answer. */
  extraBytes: 64 * 1024,
  /** Values in the `extra` of all messages of a request: each can take thirty times the memory of its text. */
  chatExtraValues: 65_536,
  /** Objects and lists within one another in one `extra`, itself included. */
  extraDepth: 64,
  /** Fields of one message, those of its parts included: twice what the largest one needs. */
  fields: 65_536,
  /** Messages of one request. */
  chatMessages: 10_000,
  /** Models, features and prices of one service. */
  listEntries: 1_024,
  /** Names: models, roles, regions, features, peer ids, codes. */
  nameBytes: 256,
  /** Texts for people inside error frames. */
  reasonBytes: 4 * 1024,
});
