/** Work of other threads that has not ended. */
export interface Unfinished {
  readonly name: string;
}

/** Known to every copy of this package. */
const key = Symbol.for('@lloom/simkit/unfinished-work');

/**
 * What began when no virtual time was in place, or in one that has ended. It ends at some moment of real time: the next
 * virtual time does not begin before that, or what happens in it would hang on how fast the machine was.
 */
export const unfinished: Set<Unfinished> = sharedUnfinished();

function sharedUnfinished(): Set<Unfinished> {
  const known = Reflect.get(process, key) as Set<Unfinished> | undefined;
  if (known !== undefined) return known;
  const value = new Set<Unfinished>();
  Object.defineProperty(process, key, { value });
  return value;
}
