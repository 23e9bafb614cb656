import { ConfigError } from '@lloom/core';
import { RpcError } from './errors.ts';
import { reqRespProtocol, sessionProtocol } from './internal/protocolIds.ts';
import type { Network, NetworkHosts } from './ports.ts';
import type { CustomProtocol } from './types.ts';

const maxNameBytes = 256;

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

function check({ protocolName, request, response }: CustomProtocol): void {
  const problems = [];
  const isName =
    typeof protocolName === 'string' &&
    protocolName.startsWith('/') &&
    protocolName.length > 1 &&
    Buffer.byteLength(protocolName) <= maxNameBytes;
  if (!isName) {
    const wanted = `a name that begins with "/", of at most ${maxNameBytes} bytes`;
    problems.push({ path: 'protocol.protocolName', got: String(protocolName).slice(0, 64), wanted });
  }
  for (const [path, codec] of Object.entries({ request, response })) {
    if (typeof codec?.encode === 'function' && typeof codec.decode === 'function') continue;
    problems.push({ path: `protocol.${path}`, got: typeof codec, wanted: 'a codec with encode and decode' });
  }
  if (problems.length > 0) throw new ConfigError(problems);
}
