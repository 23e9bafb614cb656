// Guides are for strangers: what a page of docs/guides says to type is typed here, in an empty folder, and what it shows must
// come.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What is done with a fenced block. Each has a comment above it that says so. */
export interface Block {
  /** `run` to its end, `fails`, `start` and leave running, `save` as a file; or `not run` here, for a reason. */
  readonly act: 'run' | 'fails' | 'start' | 'save' | 'not run';
  /** The file to save it as, or why it is not run. */
  readonly detail: string;
  /** A program without which it is left out. */
  readonly needs: string | undefined;
  readonly code: string;
  /** Whether commands begin with `$ `, and what they print follows. */
  readonly isConsole: boolean;
  readonly line: number;
}

const fence = /^(?<indent> *)```(?<language>\w+)[^\n]*\n(?<code>[^]*?)\n\k<indent>```$/gm;
const marks =
  /<!-- (?:(?<not>not run): (?<why>[^>]+)|run(?:: (?<act>start|fails|save as (?<file>[\w.-]+)))?(?:, with (?<needs>\w+))?) -->\s*$/;
/** Blocks in these are commands or files. `text` is for reading. */
const acting = /^(?:sh|console|ts|js|json|yaml)$/;

/** The blocks of a guide, in order. @throws when one does not say what is done with it */
export function blocksOf(text: string): Block[] {
  return [...text.matchAll(fence)].flatMap((match) => {
    const { indent = '', language = '', code = '' } = match.groups ?? {};
    if (!acting.test(language)) return [];
    const before = text.slice(0, match.index);
    const line = before.split('\n').length;
    const mark = marks.exec(before);
    if (mark === null) throw new Error(`line ${line}: nothing says whether this block is run`);
    const { not, why, act, file, needs } = mark.groups ?? {};
    return {
      act: not !== undefined ? 'not run' : file !== undefined ? 'save' : ((act ?? 'run') as Block['act']),
      detail: why ?? file ?? '',
      needs,
      code: code.replaceAll(`\n${indent}`, '\n').slice(indent.length),
      isConsole: language === 'console',
      line,
    };
  });
}

interface Step {
  readonly command: string;
  readonly shown: readonly string[];
}

/** The commands of a block, each with what it shows. */
export function stepsOf({ code, isConsole }: Pick<Block, 'code' | 'isConsole'>): Step[] {
  if (!isConsole) return [{ command: code, shown: [] }];
  return `\n${code}`
    .split('\n$ ')
    .slice(1)
    .map((part) => {
      const { command = '', rest = '' } =
        /^(?<command>(?:.*\\\n)*.*)\n?(?<rest>[^]*)$/.exec(part)?.groups ?? {};
      return { command, shown: rest.split('\n').filter((line) => line.trim() !== '') };
    });
}

/** Whether the lines come in that order. `…` stands for anything, a number for any number, white space for any. */
export function isShown(output: string, shown: readonly string[]): boolean {
  const patterns = shown.map((line) =>
    line
      .trim()
      .replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)
      .replaceAll(/\d+/g, String.raw`\d+`)
      .replaceAll(/ +/g, String.raw`\s+`)
      .replaceAll('…', '.*'),
  );
  return new RegExp(patterns.join('[^]*?')).test(output);
}

/** Where a guide is followed. */
export interface Place {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** What the guide says -> what is used here, so that nobody's ports are taken. */
  readonly ports: ReadonlyMap<string, string>;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<number>;
  output: string;
}

const runMs = 300_000;
const startMs = 90_000;
const stopMs = 15_000;

/** Follows guides, one after the other. What they start is ended with `end`. */
export class Follower {
  readonly #place: Place;
  readonly #running: Running[] = [];
  /** What `ADDRESS` stands for: the last one that a node has said others join through. */
  #address = 'ADDRESS';

  constructor(place: Place) {
    this.#place = place;
  }

  /** Does what a block says. @throws with what was printed, when something else comes than what the guide shows */
  async follow(block: Block): Promise<'done' | 'left out'> {
    const { act, code, detail, needs, line } = block;
    if (act === 'not run' || (needs !== undefined && !this.#has(needs))) return 'left out';
    if (act === 'save') {
      const file = join(this.#place.folder, detail);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${this.#here(code)}\n`);
      return 'done';
    }
    for (const { command, shown } of stepsOf(block)) {
      const wanted = shown.map((each) => this.#here(each));
      const running = this.#spawn(command);
      if (act === 'start') this.#running.push(running);
      const exitCode = await (act === 'start' ? this.#until(running, wanted) : this.#end(running));
      const isGood = act === 'start' ? exitCode === undefined : (exitCode === 0) === (act === 'run');
      if (!isGood || !isShown(running.output, wanted))
        throw new Error(
          `line ${line}: ${command}\n--- ended with ${exitCode ?? 'nothing'}, wanted\n${wanted.join('\n')}\n--- printed\n${running.output}`,
        );
      this.#address =
        /--bootstrap (?<address>\S+\/p2p\/\w+)/.exec(running.output)?.groups?.['address'] ?? this.#address;
    }
    return 'done';
  }

  /** Ends what was started, the last first. */
  async end(): Promise<void> {
    for (const { child, ended } of this.#running.splice(0).toReversed()) {
      signal(child, 'SIGTERM');
      const timer = setTimeout(() => signal(child, 'SIGKILL'), stopMs);
      await ended;
      clearTimeout(timer);
    }
  }

  #has(program: string): boolean {
    return spawnSync('bash', ['-c', `command -v ${program}`], { env: this.#place.env }).status === 0;
  }

  #here(text: string): string {
    const ports = [...this.#place.ports].reduce((sum, [said, used]) => sum.replaceAll(said, used), text);
    return ports.replaceAll(/\bADDRESS\b/g, this.#address);
  }

  #spawn(command: string): Running {
    const { folder, env } = this.#place;
    // A group of its own, so that what a shell has started ends with it.
    const child = spawn('bash', ['-e', '-c', this.#here(command)], {
      ...{ cwd: folder, env, detached: true },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? -1));
    });
    const running: Running = { child, ended, output: '' };
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => void (running.output += data.toString()));
    return running;
  }

  async #end({ child, ended }: Running): Promise<number> {
    const timer = setTimeout(() => signal(child, 'SIGKILL'), runMs);
    return ended.finally(() => clearTimeout(timer));
  }

  /** Resolves when all is shown; with the code of a program that has ended before. */
  async #until(running: Running, shown: readonly string[]): Promise<number | undefined> {
    const { child, ended } = running;
    const streams = [child.stdout, child.stderr];
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const look = (): void => {
      if (isShown(running.output, shown)) resolve(undefined);
    };
    const timer = setTimeout(() => resolve(-1), startMs);
    for (const stream of streams) stream?.on('data', look);
    try {
      return await Promise.race([promise, ended]);
    } finally {
      clearTimeout(timer);
      for (const stream of streams) stream?.off('data', look);
    }
  }
}

function signal({ pid }: ChildProcess, name: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, name);
  } catch {
    // It has ended.
  }
}
