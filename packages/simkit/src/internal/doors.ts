import type { Host } from './fabric.ts';

/** What listens on an address of a host. */
export interface Door<Visitor> {
  /** Whose it is. */
  readonly host: Host;
  /** Where it listens, as `ip:port`. */
  readonly address: string;
  /** Somebody's connection is there. */
  readonly onVisitor: (visitor: Visitor) => void;
}

/** Who listens where. */
export class Doors<Visitor> {
  readonly #doors = new Map<string, Door<Visitor>>();

  /** Who listens at `ip:port`. */
  at(address: string): Door<Visitor> | undefined {
    return this.#doors.get(address);
  }

  /** Starts to listen. Returns whether the address was free. */
  open(door: Door<Visitor>): boolean {
    if (this.#doors.has(door.address)) return false;
    this.#doors.set(door.address, door);
    return true;
  }

  /** Stops to listen. Whoever listens there by now is not disturbed: a crashed process may be stopped late. */
  shut(door: Door<Visitor>): void {
    if (this.#doors.get(door.address) === door) this.#doors.delete(door.address);
  }

  /** Nothing listens on a host any more. */
  shutAll(host: Host): void {
    for (const [address, door] of this.#doors) if (door.host === host) this.#doors.delete(address);
  }
}
