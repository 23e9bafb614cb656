import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { draw } from '@lloom/core';
import { inFlight, writeOf, writesOf, type Told, type Write } from './crashWrites.ts';

const script = fileURLToPath(new URL('crashChild.ts', import.meta.url));
/** At most so many are acknowledged before a kill. */
const maxAcknowledged = 200;

/** A process that writes, as its killer sees it. */
class Writer {
  readonly seed: number;
  readonly told: Told[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  #errors = '';
  #killAt = Number.POSITIVE_INFINITY;

  /** Starts it; it begins when it is let go. */
  constructor(folder: string, seed: number) {
    this.seed = seed;
    const args = ['--conditions=@lloom/source', script, folder, String(seed)];
    this.#child = spawn(process.execPath, args, { stdio: 'pipe' });
    // What it was told after its end is of no interest.
    this.#child.stdin.on('error', () => undefined);
    this.#child.stderr.on('data', (data: Buffer) => (this.#errors += data.toString()));
    const lines = createInterface({ input: this.#child.stdout });
    lines.on('line', (line) => this.#take(JSON.parse(line) as Told));
    this.#ended = Promise.all([once(this.#child, 'close'), once(lines, 'close')]);
  }

  /** Lets it go, and kills it after so many lines. */
  async live(lines: number): Promise<void> {
    this.#killAt = lines;
    this.#child.stdin.write('go\n');
    await this.#ended;
    if (this.#errors !== '' || this.#child.signalCode !== 'SIGKILL')
      throw new Error(`it ended by itself: ${this.#errors}`);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #take(told: Told): void {
    this.told.push(told);
    if (this.told.length >= this.#killAt) this.#child.kill('SIGKILL');
  }
}

/** What is kept, by kind and peer, in JSON. */
type Kept = ReadonlyMap<string, string>;

/**
 * Kills a process that writes so many times, in one folder, and looks each time whether the next one finds what was
 * acknowledged.
 * @throws when it does not, or finds something damaged, or cannot open the folder
 */
export async function crash(folder: string, times: number): Promise<{ readonly acknowledged: number }> {
  let state = times;
  let known: Kept = new Map();
  let asked: Writer[] = [];
  let acknowledged = 0;
  let next = new Writer(folder, 0);
  try {
    for (let time = 0; time <= times; time++) {
      const writer = next;
      // Starting takes longer than living.
      next = new Writer(folder, time + 1);
      const { chance, seed } = draw(state);
      state = seed;
      // Every eighth is killed while it opens; the last one only looks.
      const isEarly = time < times && time % 8 === 7;
      await writer.live(isEarly ? 1 : 2 + Math.floor((time === times ? 0 : chance) * maxAcknowledged));
      for (const told of writer.told) if (told.event === 'log') throw new Error(told.message);
      const found = keptOf(writer.told);
      if (found !== undefined) {
        checkFound(found, { before: known, asked });
        known = found;
        asked = [];
      }
      asked.push(writer);
      acknowledged += indicesOf(writer).size;
    }
  } finally {
    await next.kill();
  }
  return { acknowledged };
}

function keptOf(told: readonly Told[]): Kept | undefined {
  const line = told.find(({ event }) => event === 'found');
  if (line?.event !== 'found') return undefined;
  const records = Object.entries(line.found).flatMap(([kind, list]) =>
    list.map(([peerId, value]): [string, string] => [`${kind} ${peerId}`, JSON.stringify(value)]),
  );
  return new Map(records);
}

const indicesOf = ({ told }: Writer): Set<number> =>
  new Set(told.flatMap((line) => (line.event === 'acknowledged' ? [line.index] : [])));

/** Each record must be what was acknowledged last, or something that was asked for later. */
function checkFound(found: Kept, { before, asked }: { before: Kept; asked: readonly Writer[] }): void {
  const allowed = new Map<string, (string | undefined)[]>();
  for (const [key, value] of before) allowed.set(key, [value]);
  for (const writer of asked) {
    const acknowledged = indicesOf(writer);
    const last = Math.max(-1, ...acknowledged);
    for (const write of writesOf(writer.seed)) {
      // As many may have been asked for and not acknowledged.
      if (write.index > last + 2 * inFlight) break;
      const key = `${write.kind} ${write.peerId}`;
      const values = allowed.get(key) ?? [undefined];
      allowed.set(key, acknowledged.has(write.index) ? [valueOf(write)] : [...values, valueOf(write)]);
    }
  }
  const keys = new Set([...allowed.keys(), ...found.keys()]);
  for (const key of keys) {
    const values = allowed.get(key) ?? [undefined];
    if (!values.includes(found.get(key)))
      throw new Error(`${key} is ${found.get(key)} instead of ${values.join(' or ')}`);
  }
}

const valueOf = ({ kind, stamp }: Write): string | undefined =>
  stamp === undefined ? undefined : JSON.stringify(writeOf(kind, stamp));
