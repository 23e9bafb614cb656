import type { Kind } from './rules.ts';
import { ip, runWithin, within } from './system.ts';

/** Where a place is. */
export interface Site {
  readonly name: string;
  readonly kind: Kind;
  /** The namespace that programs run in. */
  readonly namespace: string;
  /** The namespace that is connected to everybody else: the router's, or the same. */
  readonly edge: string;
  /** What others see. */
  readonly outside: string;
  /** Another address that nobody has. */
  readonly nextOutside: () => string;
}

/** A host of a laboratory, with the router that it may be behind. */
export class Place {
  readonly name: string;
  readonly kind: Kind;
  /** Begins the command of a program that runs there. */
  readonly within: readonly string[];
  readonly #site: Site;
  #outside: string;

  constructor(site: Site) {
    this.#site = site;
    this.#outside = site.outside;
    this.name = site.name;
    this.kind = site.kind;
    this.within = within(site.namespace);
  }

  /** The address that others see. */
  get outside(): string {
    return this.#outside;
  }

  get #hasRouter(): boolean {
    return this.#site.edge !== this.#site.namespace;
  }

  /** Cuts it off from everybody, or connects it again. What stood through a NAT is gone then. */
  async setLink(isUp: boolean): Promise<void> {
    const up = ['link set wan up', 'route replace default dev wan'];
    await ip(isUp ? up : ['link set wan down'], this.#site.edge);
  }

  /**
   * The router forgets every connection, as when its power was gone for a moment: nobody is told, and what either side
   * sends for one of them is dropped.
   */
  async forget(): Promise<void> {
    if (!this.#hasRouter) throw new Error(`${this.name} has no router that could forget`);
    // Linux forgets what it has translated when the link goes.
    await this.setLink(false);
    await this.setLink(true);
  }

  /** Others see it at another address from now on, and nothing that goes to the old one arrives. */
  async move(): Promise<void> {
    const next = this.#site.nextOutside();
    await ip(
      [
        `addr del ${this.#outside}/32 dev wan`,
        `addr add ${next}/32 dev wan`,
        'route replace default dev wan',
      ],
      this.#site.edge,
    );
    this.#outside = next;
  }

  /** Runs a program there to its end, and gives back what it printed. */
  run(command: readonly [string, ...string[]]): Promise<string> {
    return runWithin(this.#site.namespace, command);
  }
}
