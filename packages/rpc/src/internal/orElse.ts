/** Does `act`. What it throws, at once or later, is given to `fail`, whose promise takes its place. */
export function orElse<T>(
  act: () => T | Promise<T>,
  fail: (error: unknown) => Promise<undefined>,
): T | Promise<T | undefined> | Promise<undefined> {
  try {
    const done = act();
    return done instanceof Promise ? done.catch(fail) : done;
  } catch (error) {
    return fail(error);
  }
}
