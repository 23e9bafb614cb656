type OnError = (error: unknown) => void;

/**
 * Calls `act`. What it throws or rejects with goes to `onError`; what that throws goes nowhere, for there is nobody
 * left to tell.
 */
export function guard(act: () => unknown, onError: OnError): void {
  const report = (error: unknown): void => {
    try {
      onError(error);
    } catch {
      // See above: the alternative is the end of the process.
    }
  };
  try {
    const result = act();
    if (isThenable(result)) Promise.resolve(result).then(undefined, report);
  } catch (error) {
    report(error);
  }
}

/** Whether somebody may reject later; also true for promises of another realm or library. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
