import { createRequire } from 'node:module';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Identity } from '@lloom/identity';
import { median } from '../report.ts';
import { Missing, requestBytes, type Blocked } from './stack.ts';

/** How often the event loop is looked at, in ms. */
const resolution = 1;
/** How often a signature and its check are made to see what they take. */
const times = 200;

type Operation = (...args: unknown[]) => unknown;

/** Where the addon computes. */
const operations = { sign: 'ecdsaSign', verify: 'ecdsaRecover' } as const;

/** How many there were in one turn of the event loop. */
interface Turn {
  sign: number;
  verify: number;
}

/**
 * Watches for how long signatures keep the event loop of this process. They are counted where the addon computes them, for who
 * asks for one may have to wait for it, and each counts as what one takes alone, with its digests.
 */
export class CryptoWatch {
  readonly #delay = monitorEventLoopDelay({ resolution });
  #turns: Turn[] = [];
  #turn: Turn | undefined;

  /** @throws {Missing} without the addon */
  constructor() {
    const load = createRequire(import.meta.resolve('@lloom/identity'));
    let addon: Record<string, Operation>;
    try {
      addon = load('secp256k1/bindings.js') as typeof addon;
    } catch {
      throw new Missing('the addon secp256k1 is not there');
    }
    for (const kind of ['sign', 'verify'] as const) {
      const operation = addon[operations[kind]]!.bind(addon);
      addon[operations[kind]] = (...args) => {
        this.#current()[kind] += 1;
        return operation(...args);
      };
    }
    this.#delay.enable();
  }

  /** What there was since this was called last. */
  async take(): Promise<Blocked> {
    const delayP999Ms = Math.max(0, this.#delay.percentile(99.9) / 1e6 - resolution);
    const turns = this.#turns;
    const [signMs, verifyMs] = await costs();
    const longestTurnMs = Math.max(0, ...turns.map(({ sign, verify }) => sign * signMs + verify * verifyMs));
    this.#turns = [];
    this.#turn = undefined;
    this.#delay.reset();
    return { longestTurnMs, longestCallMs: Math.max(signMs, verifyMs), delayP999Ms };
  }

  #current(): Turn {
    if (this.#turn === undefined) {
      this.#turns.push((this.#turn = { sign: 0, verify: 0 }));
      // What waits for the loop gets its turn before this does, or right behind it.
      setImmediate(() => (this.#turn = undefined));
    }
    return this.#turn;
  }
}

/** What a signature and its check take alone, with all that belongs to them, in ms. */
async function costs(): Promise<[sign: number, verify: number]> {
  const identity = Identity.generate();
  const [signer, verifier] = [identity.signer(), identity.verifier()];
  const signed = await identity.sign({ model: 'demo-small', prompt: 'x'.repeat(requestBytes) });
  const cost = async (act: () => Promise<unknown>): Promise<number> => {
    const figures: number[] = [];
    for (let i = 0; i < times; i++) {
      const start = performance.now();
      await act();
      figures.push(performance.now() - start);
    }
    return median(figures);
  };
  return [await cost(() => signer.sign(signed)), await cost(() => verifier.verify(signed, {}))];
}
