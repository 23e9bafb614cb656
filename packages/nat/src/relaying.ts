import type { RelayHost } from './internal/relayHost.ts';
import type { Shared } from './internal/shared.ts';
import type { RelaySource } from './ports.ts';
import type { NatStatus, RelayedCircuit, RelayServerConfig } from './types.ts';

/** What relaying for others needs. */
interface RelayingPorts extends Shared {
  readonly network: RelayHost;
  readonly source: RelaySource | undefined;
}

/** Carries connections for others while it is enabled and started. */
export class Relaying {
  readonly #ports: RelayingPorts;
  #wanted: Required<RelayServerConfig> | undefined;
  /** What is enabled as soon as this node is found to be public, unless the user says otherwise first. */
  #whenPublic: Required<RelayServerConfig> | undefined;
  #isStarted = false;
  /** Ends the announcement. */
  #hide: (() => void) | undefined;
  /** One change after the other. */
  #changing: Promise<void> = Promise.resolve();

  constructor(ports: RelayingPorts) {
    this.#ports = ports;
  }

  /** Whether it is to, though the node may not have started. */
  get isEnabled(): boolean {
    return this.#wanted !== undefined;
  }

  /** The connections that go through this node now, those of one peer or of all. */
  circuits(peerId?: string): readonly RelayedCircuit[] {
    return this.#ports.network.circuits(peerId);
  }

  /** Those that ended lately. */
  endedCircuits(peerId?: string): readonly RelayedCircuit[] {
    return this.#ports.network.endedCircuits(peerId);
  }

  /** Begins with the start of the node, or with `onlyIfPublic` when it is found to be public. */
  enableAtStart(config: Required<RelayServerConfig>): void {
    if (config.onlyIfPublic) this.#whenPublic = config;
    else void this.enable(config, 'unknown');
  }

  /** To be told when this node is found to be public. */
  foundPublic(): void {
    if (this.#whenPublic === undefined) return;
    this.enable(this.#whenPublic, 'public').catch((error: unknown) =>
      this.#ports.log('this node cannot relay for others', error),
    );
  }

  /** Begins, or goes on by another configuration. Of several calls at the same time the last one holds. */
  async enable(config: Required<RelayServerConfig>, status: NatStatus['kind']): Promise<void> {
    this.#wanted = config;
    this.#whenPublic = undefined;
    if (status !== 'public') {
      const why = new Error(`its status is ${status}: peers outside may not get through to it`);
      this.#ports.log('this node relays for others without being known to be public', why);
    }
    try {
      await this.#change();
    } catch (error) {
      // As if it had not been called.
      if (this.#wanted === config) this.#wanted = undefined;
      throw error;
    }
  }

  async disable(): Promise<void> {
    this.#wanted = undefined;
    this.#whenPublic = undefined;
    await this.#change();
  }

  async start(): Promise<void> {
    this.#isStarted = true;
    await this.#change();
  }

  /** What is enabled begins again with the next start. */
  async stop(): Promise<void> {
    this.#isStarted = false;
    await this.#change();
  }

  #change(): Promise<void> {
    const change = this.#changing.then(() => this.#follow());
    this.#changing = change.catch(() => undefined);
    return change;
  }

  /** Brings about what is wanted by now, whoever asked first. */
  async #follow(): Promise<void> {
    const { network } = this.#ports;
    const wanted = this.#isStarted ? this.#wanted : undefined;
    if (wanted === undefined) {
      this.#unannounce();
      await network.close();
      return;
    }
    await network.open(wanted);
    this.#announce();
  }

  #announce(): void {
    if (this.#hide !== undefined) return;
    try {
      this.#hide = this.#ports.source?.announce?.();
    } catch (error) {
      this.#ports.log('this node cannot be announced as a relay', error);
    }
  }

  #unannounce(): void {
    const hide = this.#hide;
    this.#hide = undefined;
    try {
      hide?.();
    } catch (error) {
      this.#ports.log('this node is still announced as a relay', error);
    }
  }
}
