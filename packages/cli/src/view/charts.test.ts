import { EventEmitter } from 'node:events';
import type { ChartState, MachineChart } from '@lloom/inspector';
import { expect, test } from 'vitest';
import { Charts, type ChartThread, type DrawnChart } from './charts.ts';

const nothing = { initial: [], entry: [], exit: [], invokes: [], transitions: [], states: [] };

/** A machine of one state. */
function chartOf(id: string): MachineChart {
  const root: ChartState = { ...nothing, id, path: '', name: id, type: 'atomic' };
  return { id, shape: id, root };
}

/** A thread that answers as it is told, or not at all. */
class Drawer extends EventEmitter implements ChartThread {
  isEnded = false;
  readonly #answers: readonly (DrawnChart | 'nothing' | 'crash')[];
  #count = 0;

  constructor(answers: readonly (DrawnChart | 'nothing' | 'crash')[]) {
    super();
    this.#answers = answers;
    queueMicrotask(() => this.emit('message', 'ready'));
  }

  postMessage(): void {
    const answer = this.#answers[this.#count++] ?? 'nothing';
    queueMicrotask(() => {
      if (answer === 'crash') this.emit('error', new Error('out of memory'));
      if (answer === 'crash') this.emit('exit', 1);
      else if (answer !== 'nothing') this.emit('message', answer);
    });
  }

  async terminate(): Promise<void> {
    this.isEnded = true;
    this.emit('exit', 1);
  }
}

/** Charts of threads that answer so, one after another. */
function chartsOf(...threads: readonly ConstructorParameters<typeof Drawer>[0][]): [Charts, Drawer[]] {
  const started: Drawer[] = [];
  const startThread = (): Drawer => {
    const drawer = new Drawer(threads[started.length] ?? []);
    started.push(drawer);
    return drawer;
  };
  return [new Charts({ chart: chartOf }, { drawMs: 1, startThread }), started];
}

test('charts that were not drawn when the view closes are not drawn any more', async () => {
  const charts = new Charts({ chart: chartOf });
  const drawn = Promise.allSettled([charts.of('door'), charts.of('lamp')]);
  charts.close();
  expect((await drawn).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});

test('a chart is drawn in a thread, once', async () => {
  const charts = new Charts({ chart: chartOf });
  const [first, second] = await Promise.all([charts.of('door'), charts.of('door')]);
  charts.close();
  expect(first).toMatch(/^<svg[^]*door/);
  expect(second).toBe(first);
});

test('a chart that failed is tried again when it is asked for again', async () => {
  const [charts, started] = chartsOf([{ problem: 'too long' }, { svg: '<svg/>' }]);
  await expect(charts.of('door')).rejects.toThrow('too long');
  expect(await charts.of('door')).toBe('<svg/>');
  expect(started.length).toBe(1);
});

test('a chart that takes too long, or breaks its thread, is given up, and the next has a new thread', async () => {
  const [charts, started] = chartsOf(['nothing'], ['crash'], [{ svg: '<svg/>' }]);
  const drawn = ['door', 'lamp', 'bell'].map((machine) => charts.of(machine));
  const said = await Promise.allSettled(drawn);
  expect(said.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  expect([started.length, started[0]?.isEnded, started[2]?.isEnded]).toEqual([3, true, false]);
});

test('a chart is drawn where it is asked for when no thread can be started', async () => {
  const startThread = (): never => {
    throw new Error('no threads');
  };
  expect(await new Charts({ chart: chartOf }, { startThread }).of('door')).toMatch(/^<svg/);
});
