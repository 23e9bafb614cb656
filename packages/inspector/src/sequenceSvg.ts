import { eventText, leavesOf } from './internal/eventText.ts';
import { lanesOf, type GapRow, type Lane, type Lanes } from './internal/lanes.ts';
import { durationText, escapeText, shorten, textWidth } from './internal/svgText.ts';
import { pictureStyle } from './internal/theme.ts';
import type { Run, RunEntry, SentEntry } from './run.ts';

/** What of a run a sequence shows. */
export interface SequenceConfig {
  /** What events from outside come from. @default 'outside' */
  readonly caller?: string;
  /** How many entries are drawn: a third from the beginning, the others from the end. @default 300 */
  readonly maxEntries?: number;
  /** How many lanes are drawn. @default 16 */
  readonly maxLanes?: number;
}

/**
 * A picture of a run as SVG: a lane for each actor, from top to bottom what they sent to one another, the states they
 * entered, what they ignored, and when. The same run gives the same text.
 *
 * @example
 * ```ts
 * writeFileSync('run.svg', sequenceSvg(recorder.run(), { caller: 'test' }));
 * ```
 */
export function sequenceSvg(run: Run, config: SequenceConfig = {}): string {
  const { caller = 'outside', maxEntries = 300, maxLanes = 16 } = config;
  return new Sequence(lanesOf(run, caller, { maxEntries, maxLanes })).draw();
}

const marginPx = 76;
const headPx = { top: 10, height: 32 };
const leastGapPx = 110;
const rowPx = { sent: 25, pill: 25, note: 17, gap: 24 };
const rightPx = 110;

class Sequence {
  readonly #plan: Lanes;
  readonly #xs = new Map<number, number>();
  readonly #parts: string[] = [];
  #y = headPx.top + headPx.height + 12;
  #shownTime = '';
  #rightmostPx = 0;

  constructor(plan: Lanes) {
    this.#plan = plan;
    this.#place();
  }

  draw(): string {
    for (const row of this.#plan.rows) {
      if (row.type === 'gap') this.#gap(row);
      else this.#entry(row);
    }
    const { hiddenActors, lanes } = this.#plan;
    if (hiddenActors > 0) this.#note(`and ${hiddenActors} more actors, which are not drawn`, marginPx);
    if (lanes.length === 0) this.#note('Nothing happened.', marginPx);
    const height = this.#y + 14;
    const width = Math.ceil(Math.max(this.#rightmostPx, ...this.#xs.values()) + rightPx);
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" class="lm" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
      '<title>Sequence</title>',
      pictureStyle,
      `<rect class="ground" width="${width}" height="${height}"/>`,
      ...lanes.map((lane) => this.#lane(lane, height - 8)),
      ...this.#parts,
      '</svg>',
    ].join('\n');
  }

  /** Lanes are as far apart as what is written between them. */
  #place(): void {
    const { lanes, rows, laneOf } = this.#plan;
    const gaps = lanes.slice(1).map(({ title, kind }, at) => {
      const before = lanes[at] ?? { title: '', kind: '' };
      return Math.max(leastGapPx, (boxWidth(before.title, before.kind) + boxWidth(title, kind)) / 2 + 14);
    });
    const order = new Map(lanes.map(({ index }, at) => [index, at]));
    const widen = (from: number, to: number, px: number): void => {
      const share = px / Math.max(1, to - from);
      for (let at = from; at < to; at++) gaps[at] = Math.max(gaps[at] ?? 0, share);
    };
    let firstPillPx = 0;
    for (const row of rows) {
      if (row.type === 'sent') {
        const ends = [laneOf(row.from), laneOf(row.to)].map((lane) => order.get(lane ?? -1) ?? 0);
        widen(Math.min(...ends), Math.max(...ends), textWidth(labelOf(row), { sizePx: 11 }) + 26);
      } else if (row.type === 'started' || row.type === 'taken') {
        const at = order.get(laneOf(row.actor) ?? -1) ?? 0;
        const px = textWidth(pillText(row.entered), { sizePx: 11, bold: true }) / 2 + 24;
        widen(at, Math.min(at + 1, gaps.length), px);
        widen(Math.max(0, at - 1), at, px);
        if (at === 0) firstPillPx = Math.max(firstPillPx, px - 14);
      }
    }
    let x = marginPx + Math.max(40, firstPillPx, boxWidth(lanes[0]?.title ?? '', lanes[0]?.kind ?? '') / 2);
    lanes.forEach(({ index, title, kind }, at) => {
      this.#xs.set(index, Math.round(x));
      this.#reach(Math.round(x) + boxWidth(title, kind) / 2);
      x += gaps[at] ?? 0;
    });
  }

  #x(actor: number | undefined): number {
    return this.#xs.get(this.#plan.laneOf(actor) ?? -1) ?? marginPx;
  }

  #lane({ index, title, kind }: Lane, bottom: number): string {
    const x = this.#xs.get(index) ?? marginPx;
    const width = boxWidth(title, kind);
    const { top, height } = headPx;
    return [
      `<path class="lane" d="M${x} ${top + height}V${bottom}"/>`,
      `<rect class="actor" x="${x - width / 2}" y="${top}" width="${width}" height="${height}" rx="5"/>`,
      `<text class="name" x="${x}" y="${top + 14}" text-anchor="middle">${escapeText(shorten(title))}</text>`,
      `<text class="small soft" x="${x}" y="${top + 26}" text-anchor="middle">${escapeText(shorten(kind))}</text>`,
    ].join('');
  }

  #entry(entry: RunEntry): void {
    switch (entry.type) {
      case 'started':
        this.#started(entry);
        return;
      case 'sent':
        this.#arrow(entry);
        return;
      case 'taken':
        this.#refused(entry);
        this.#pill(entry);
        return;
      case 'ignored': {
        this.#refused(entry);
        const text = entry.ended ? `ignored: it had ended` : 'ignored';
        this.#note(text, this.#x(entry.actor) + 8, 'guard slanted');
        return;
      }
      case 'stopped':
        this.#stopped(entry.actor, entry.status);
    }
  }

  #started(entry: Extract<RunEntry, { type: 'started' }>): void {
    const parent = this.#plan.parentOf(entry.actor);
    if (parent !== undefined) {
      this.#time(entry.atMs, this.#y + 14);
      this.#line([this.#x(parent), this.#x(entry.actor)], 'start', 'start');
    }
    this.#pill(entry);
  }

  #arrow(entry: SentEntry): void {
    const label = labelOf(entry);
    const [from, to] = [this.#x(entry.from), this.#x(entry.to)];
    const look = entry.event.startsWith('xstate.done.actor.')
      ? 'done'
      : entry.event.startsWith('xstate.error.actor.')
        ? 'failed'
        : 'message';
    this.#time(entry.atMs, this.#y + 14);
    if (from === to) this.#loop(from, label);
    else this.#line([from, to], look, label);
  }

  #line([from, to]: [number, number], look: string, label: string): void {
    const y = this.#y + 16;
    const side = to > from ? 1 : -1;
    const tip = to - side;
    const head = `${tip},${y} ${tip - side * 6},${y - 3} ${tip - side * 6},${y + 3}`;
    const arrow = look === 'message' ? 'arrow' : `${look}Arrow`;
    const soft = look === 'start' ? ' class="small soft"' : '';
    this.#parts.push(
      `<path class="message ${look}" d="M${from} ${y}H${tip - side * 4}"/><polygon class="${arrow}" points="${head}"/>` +
        `<text${soft} x="${Math.round((from + to) / 2)}" y="${y - 4}" text-anchor="middle">${escapeText(label)}</text>`,
    );
    this.#y += rowPx.sent;
  }

  /** To itself: what a timer of the machine sends. */
  #loop(x: number, label: string): void {
    const y = this.#y + 6;
    this.#parts.push(
      `<path class="message" d="M${x} ${y}h14v11h-9"/><polygon class="arrow" points="${x + 1},${y + 11} ${x + 7},${y + 8} ${x + 7},${y + 14}"/>` +
        `<text class="slanted" x="${x + 19}" y="${y + 10}">${escapeText(label)}</text>`,
    );
    this.#reach(x + 19 + textWidth(label, { sizePx: 11 }));
    this.#y += rowPx.sent;
  }

  #pill({ actor, entered, atMs }: { actor: number; entered: readonly string[]; atMs: number }): void {
    const text = pillText(entered);
    if (text === '') return;
    const width = textWidth(text, { sizePx: 11, bold: true }) + 18;
    const x = this.#x(actor);
    this.#time(atMs, this.#y + 14);
    this.#parts.push(
      `<rect class="pill" x="${Math.round(x - width / 2)}" y="${this.#y + 2}" width="${width}" height="17" rx="8.5"/>` +
        `<text class="strong" x="${x}" y="${this.#y + 14}" text-anchor="middle">${escapeText(text)}</text>`,
    );
    this.#reach(x + width / 2);
    this.#y += rowPx.pill;
  }

  #refused({ actor, refused }: { actor: number; refused: readonly string[] }): void {
    for (const name of refused.slice(0, 4)) {
      const guard = /\[(?<guard>.+?)\]/.exec(name)?.groups?.['guard'] ?? 'a guard';
      this.#note(`if ${shorten(guard)}: no`, this.#x(actor) + 8, 'guard');
    }
  }

  #stopped(actor: number, status: string): void {
    // The arrow to its parent has said so.
    if (status !== 'stopped' && this.#plan.parentOf(actor) !== undefined) return;
    const x = this.#x(actor);
    const y = this.#y + 5;
    const look = status === 'error' ? 'small error' : 'small soft';
    this.#parts.push(
      `<path class="rule" d="M${x - 8} ${y}h16"/><text class="${look}" x="${x + 12}" y="${y + 4}">${status}</text>`,
    );
    this.#y += rowPx.note;
  }

  #gap({ entries }: GapRow): void {
    this.#note(
      `… ${entries} ${entries === 1 ? 'entry' : 'entries'} not drawn …`,
      marginPx,
      'small soft slanted',
    );
    this.#y += rowPx.gap - rowPx.note;
  }

  #note(text: string, x: number, look = 'small soft'): void {
    this.#parts.push(`<text class="${look}" x="${x}" y="${this.#y + 10}">${escapeText(text)}</text>`);
    this.#reach(x + textWidth(text, { sizePx: 10 }));
    this.#y += rowPx.note;
  }

  /** Written once for all that happened at the same time. */
  #time(atMs: number, y: number): void {
    const text = durationText(atMs);
    if (text === this.#shownTime) return;
    this.#shownTime = text;
    this.#parts.push(
      `<text class="small soft" x="${marginPx - 14}" y="${y}" text-anchor="end">${escapeText(text)}</text>`,
    );
  }

  /** Makes room for what ends there. */
  #reach(x: number): void {
    this.#rightmostPx = Math.max(this.#rightmostPx, x - rightPx + 24);
  }
}

function labelOf({ event }: SentEntry): string {
  return shorten(eventText(event), 40);
}

function pillText(entered: readonly string[]): string {
  const names = leavesOf(entered).map((path) => path.slice(path.lastIndexOf('.') + 1));
  const shown = names.slice(0, 4).map((name) => shorten(name, 28));
  return names.length > 4 ? `${shown.join(' · ')} · +${names.length - 4}` : shown.join(' · ');
}

function boxWidth(title: string, kind: string): number {
  const px = Math.max(
    textWidth(shorten(title), { sizePx: 12, bold: true }),
    textWidth(shorten(kind), { sizePx: 10 }),
  );
  return 2 * Math.ceil((px + 18) / 2);
}
