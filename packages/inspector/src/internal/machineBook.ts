import type { AnyStateMachine } from 'xstate';
import { MachineTally } from './machineTally.ts';

/**
 * The machines of a run. Copies that `provide` made are one machine, and so are machines of one id and one shape, as a
 * function makes that creates a machine each time it is called.
 */
export class MachineBook {
  readonly #maxMachines: number;
  // Copies made by `provide` share their configuration object, so it names the machine.
  readonly #byConfig = new WeakMap<object, MachineTally>();
  readonly #byShape = new Map<string, MachineTally>();
  /** Machines that are not listed. */
  dropped = 0;

  constructor(maxMachines: number) {
    this.#maxMachines = maxMachines;
  }

  /** The counts of a machine, which is listed from now on if there is room. */
  tallyOf(machine: AnyStateMachine): MachineTally {
    const known = this.#byConfig.get(machine.config);
    if (known !== undefined) return known;
    const tally = this.#list(new MachineTally(machine));
    this.#byConfig.set(machine.config, tally);
    return tally;
  }

  /** The counts of a machine that may never have been seen. */
  find(machine: AnyStateMachine): MachineTally {
    const known = this.#byConfig.get(machine.config);
    if (known !== undefined) return known;
    const tally = new MachineTally(machine);
    return this.#byShape.get(keyOf(tally)) ?? tally;
  }

  /** Whether there was room for a machine. */
  lists(tally: MachineTally): boolean {
    return this.#byShape.get(keyOf(tally)) === tally;
  }

  /** In the order in which they were seen. */
  all(): MachineTally[] {
    return [...this.#byShape.values()];
  }

  #list(tally: MachineTally): MachineTally {
    const key = keyOf(tally);
    const known = this.#byShape.get(key);
    if (known !== undefined) return known;
    if (this.#byShape.size < this.#maxMachines) this.#byShape.set(key, tally);
    else this.dropped += 1;
    return tally;
  }
}

const keyOf = ({ chart }: MachineTally): string => `${chart.shape} ${chart.id}`;
