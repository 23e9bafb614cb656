import { encodeOpenHead, limits } from '@lloom/codec';
import { ConfigError } from '@lloom/core';
import { RpcError } from './errors.ts';
import { shown } from './internal/given.ts';
import { reqRespProtocol, sessionProtocol } from './internal/protocolIds.ts';
import type { Network, NetworkHosts } from './ports.ts';
import type { CustomProtocol } from './types.ts';

/** The custom protocols of one service. */
export class Protocols {
  readonly #network: Network;
  readonly #onStream: (method: string) => NetworkHosts['onStream'];
  readonly #byName = new Map<string, CustomProtocol>();
  /** Checked once each: they are called often. */
  readonly #checked = new WeakSet<CustomProtocol>();
  #isServing = false;

  constructor(network: Network, onStream: (method: string) => NetworkHosts['onStream']) {
    this.#network = network;
    this.#onStream = onStream;
  }

  /** The protocol of that name, when it was added. */
  get(name: string): CustomProtocol | undefined {
    return this.#byName.get(name);
  }

  /**
   * The protocol that is meant: itself, or the one of a name.
   * @throws {RpcError} `UNKNOWN_PROTOCOL`; {ConfigError} when it is no protocol
   */
  resolve(given: CustomProtocol | string): CustomProtocol {
    if (typeof given === 'string') return this.require(given);
    if (!this.#checked.has(given)) {
      check(given);
      this.#checked.add(given);
    }
    return given;
  }

  /** @throws {RpcError} `UNKNOWN_PROTOCOL` */
  require(name: string): CustomProtocol {
    const protocol = this.#byName.get(name);
    if (protocol === undefined) throw new RpcError('UNKNOWN_PROTOCOL', { protocol: name });
    return protocol;
  }

  /** @throws {ConfigError} when it is no protocol; {RpcError} `PROTOCOL_EXISTS` */
  async add(protocol: CustomProtocol): Promise<void> {
    check(protocol);
    const { protocolName: name } = protocol;
    if (this.#byName.has(name) || name === sessionProtocol || name === reqRespProtocol)
      throw new RpcError('PROTOCOL_EXISTS', { protocol: name });
    this.#byName.set(name, protocol);
    if (!this.#isServing) return;
    try {
      await this.#serve(protocol);
    } catch (error) {
      this.#byName.delete(name);
      throw error;
    }
  }

  /** @throws {RpcError} `UNKNOWN_PROTOCOL` */
  async remove(name: string): Promise<void> {
    const protocol = this.require(name);
    this.#byName.delete(name);
    if (this.#isServing && protocol.handleRequest !== undefined) await this.#network.unhandle(name);
  }

  /** Takes requests of all protocols that were added. */
  async start(): Promise<void> {
    this.#isServing = true;
    for (const protocol of this.#byName.values()) await this.#serve(protocol);
  }

  /** The network takes no more streams; what was added stays. */
  stop(): void {
    this.#isServing = false;
  }

  async #serve(protocol: CustomProtocol): Promise<void> {
    if (protocol.handleRequest === undefined) return;
    const { protocolName: name } = protocol;
    try {
      await this.#network.handle(name, this.#onStream(name));
    } catch (cause) {
      if (!(cause instanceof Error) || cause.name !== 'DuplicateProtocolHandlerError') throw cause;
      throw new RpcError('PROTOCOL_EXISTS', { protocol: name }, { cause });
    }
  }
}

function check(given: CustomProtocol): void {
  if (typeof given !== 'object' || given === null)
    throw new ConfigError([{ path: 'protocol', got: shown(given), wanted: 'an object' }]);
  const { protocolName, request, response } = given;
  const problems = [];
  if (!isName(protocolName)) {
    const wanted = `a well-formed name that begins with "/", of at most ${limits.nameBytes} bytes`;
    problems.push({ path: 'protocol.protocolName', got: shown(protocolName), wanted });
  }
  for (const [path, codec] of Object.entries({ request, response })) {
    if (typeof codec?.encode === 'function' && typeof codec.decode === 'function') continue;
    problems.push({ path: `protocol.${path}`, got: shown(codec), wanted: 'a codec with encode and decode' });
  }
  if (given.handleRequest !== undefined && typeof given.handleRequest !== 'function')
    problems.push({ path: 'protocol.handleRequest', got: typeof given.handleRequest, wanted: 'a function' });
  if (problems.length > 0) throw new ConfigError(problems);
}

/** Whether requests can be sent under this name. */
function isName(name: unknown): boolean {
  if (typeof name !== 'string' || name.length < 2 || !name.startsWith('/')) return false;
  try {
    encodeOpenHead({ method: name, stream: false, metadata: {} });
    return true;
  } catch {
    return false;
  }
}
