import { syncBuiltinESMExports } from 'node:module';
import { promisify } from 'node:util';
import { NativeWork } from './nativeWork.ts';
import type { Callable } from './replacements.ts';

/** Known to every copy of this package: one of them is enough. */
const key = Symbol.for('@lloom/simkit/earlier-work');

/**
 * From now on, notes the work of other threads that begins while no virtual time is in place, and that nothing shows
 * afterwards: modules of WebAssembly, cryptography, compression. What it watches works as before.
 */
export function noteEarlierWork(isVirtual: () => boolean): void {
  if (key in process) return;
  Object.defineProperty(process, key, { value: true });
  const work = new NativeWork(0);
  // It waits for nothing itself.
  work.abandon();
  work.watchUnlisted({
    fn: (target, name, counted) => {
      const original = Reflect.get(target, name) as Callable;
      const noted: Callable = function (...args) {
        return Reflect.apply(isVirtual() ? original : (counted as Callable), this, args);
      };
      const own = Object.getOwnPropertyDescriptors(original) as PropertyDescriptorMap;
      const custom = Object.getOwnPropertyDescriptor(counted, promisify.custom);
      Object.defineProperties(noted, { ...own, ...(custom && { [promisify.custom]: custom }) });
      const was = Object.getOwnPropertyDescriptor(target, name);
      Object.defineProperty(target, name, { ...was, value: noted });
    },
  });
  syncBuiltinESMExports();
}
