/** What of a state machine of XState is used. */
interface Machine {
  provide(implementations: never): unknown;
}

type Implementations = Readonly<Record<string, object | undefined>>;

/** What XState keeps of a machine: its types show only a part, so that another version may not have it. */
interface Inner {
  readonly root?: object;
  readonly implementations?: Implementations;
}

/**
 * The same machine, whose `provide` makes machines that have its states and transitions, not copies of them. Of those a node
 * that has many machines would be made for the most part.
 *
 * @example
 * ```ts
 * const machine = sharing(joiningMachine).provide({ actors: { dial } });
 * ```
 */
export function sharing<M extends Machine>(machine: M): Pick<M, 'provide'> {
  const { root, implementations } = machine as Inner;
  if (root === undefined || implementations === undefined) return machine;
  const provide = (given: Implementations): object => {
    const prototype = Object.getPrototypeOf(machine) as Readonly<Record<string, unknown>>;
    const copy: Record<string, unknown> = Object.assign(Object.create(prototype), machine);
    for (const name of Object.keys(copy)) {
      // Bound to the machine that they belong to.
      const method = prototype[name];
      if (typeof method === 'function') copy[name] = method.bind(copy) as unknown;
    }
    const kinds = Object.keys(implementations).map((kind) => [
      kind,
      { ...implementations[kind], ...given[kind] },
    ]);
    copy['implementations'] = Object.fromEntries(kinds) as unknown;
    return copy;
  };
  return { provide } as unknown as Pick<M, 'provide'>;
}
