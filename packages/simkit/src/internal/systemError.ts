/** An error as the operating system gives it: with a code that programs look at. */
export function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
