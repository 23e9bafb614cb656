import { eventText, guardOf, messageKind, statesText, timeText } from './internal/eventText.ts';
import { counted, lanesOf, type GapRow, type Lane, type Lanes } from './internal/lanes.ts';
import { escapeText, shorten, textWidth } from './internal/svgText.ts';
import { pictureStyle } from './internal/theme.ts';
import { Threads, type Mark } from './internal/threads.ts';
import type { Run, RunEntry, SentEntry, StartedEntry, StoppedEntry, TakenEntry } from './run.ts';
import { laneConfig, type SequenceConfig } from './sequence.ts';

/**
 * A picture of a run as SVG: a lane for each actor, from top to bottom what they sent to one another, the states they
 * entered, what they ignored, and when. The same run gives the same text.
 *
 * With `laneBy`, what happens in a lane stands there with the name of the actor, and a dotted line leads to where a thing
 * comes next: from its first lane to another one, in which another machine takes it up.
 *
 * What is drawn of an entry is in groups whose `data-entry` is its `sequence`. The class `now` lights them, `later` dims them.
 *
 * @throws {RangeError} when `maxEntries` or `maxLanes` is no whole number from 0 on
 * @example
 * ```ts
 * writeFileSync('run.svg', sequenceSvg(recorder.run(), { caller: 'test' }));
 * writeFileSync('nodes.svg', sequenceSvg(recorder.run(), { laneBy: 'node' }));
 * ```
 */
export function sequenceSvg(run: Run, config: SequenceConfig = {}): string {
  return new Sequence(lanesOf(run, laneConfig(config))).draw();
}

const leastMarginPx = 76;
const headPx = { top: 10, height: 32 };
const leastGapPx = 110;
const rowPx = { sent: 25, pill: 25, note: 17, caption: 15, gap: 24 };
const rightPx = 110;

/** What is drawn of one entry. */
interface Row {
  readonly entry: RunEntry | GapRow;
  readonly fromPx: number;
  readonly parts: string[];
  toPx: number;
}

class Sequence {
  readonly #plan: Lanes;
  readonly #threads: Threads;
  readonly #xs = new Map<number, number>();
  readonly #rows: Row[] = [];
  /** Where lanes begin: times stand before it. */
  readonly #marginPx: number;
  readonly #beneath: string[] = [];
  #parts: string[] = [];
  #y = headPx.top + headPx.height + 12;
  #shownTime = '';
  #rightmostPx = 0;

  constructor(plan: Lanes) {
    this.#plan = plan;
    this.#threads = new Threads(plan);
    const times = plan.rows.map((row) => (row.type === 'gap' ? 0 : timeWidth(row.atMs)));
    this.#marginPx = Math.max(leastMarginPx, 18 + times.reduce((most, width) => Math.max(most, width), 0));
    this.#place();
  }

  draw(): string {
    const { rows, lanes, remarks } = this.#plan;
    rows.forEach((entry, at) => this.#row(entry, [rows[at - 1], this.#after(at)]));
    this.#parts = [];
    if (lanes.length === 0) this.#note('Nothing happened.', this.#marginPx);
    if (remarks.length > 0) this.#y += 6;
    for (const remark of remarks) this.#note(remark, this.#marginPx, 'small soft slanted');
    const height = this.#y + 14;
    const width = Math.ceil(Math.max(this.#rightmostPx, ...this.#xs.values()) + rightPx);
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" class="lm sequence" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
      `<title>Sequence</title><desc>${escapeText(this.#description())}</desc>`,
      pictureStyle,
      `<rect class="ground" width="${width}" height="${height}"/>`,
      ...lanes.map(
        ({ index }) =>
          `<path class="lane" d="M${this.#xs.get(index)} ${headPx.top + headPx.height}V${height - 8}"/>`,
      ),
      ...this.#beneath,
      '<g class="rows">',
      ...this.#rows.map((row) => rowGroup(row, width)),
      ...this.#parts,
      '</g>',
      // Last, and on a ground of its own: a page may move it along while the rows pass beneath.
      `<g class="heads"><rect class="ground" width="${width}" height="${headPx.top + headPx.height}"/>`,
      ...lanes.map((lane) => this.#head(lane)),
      '</g>',
      '</svg>',
    ].join('\n');
  }

  #description(): string {
    const { lanes, rows } = this.#plan;
    const entries = rows.filter(({ type }) => type !== 'gap').length;
    return `${counted(entries, 'entry', 'entries')} in ${counted(lanes.length, 'lane')}: ${lanes.map(({ title }) => shorten(title)).join(', ')}`;
  }

  /** What is told next of any actor that goes on. */
  #after(at: number): RunEntry | GapRow | undefined {
    return this.#plan.rows.slice(at + 1, at + 4).find(({ type }) => type !== 'stopped');
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
    let firstHalfPx = 0;
    const halves = lanes.map(() => 0);
    const around = (lane: number | undefined, halfPx: number): void => {
      const at = order.get(lane ?? -1) ?? 0;
      widen(at, Math.min(at + 1, gaps.length), halfPx);
      widen(Math.max(0, at - 1), at, halfPx);
      if (at === 0) firstHalfPx = Math.max(firstHalfPx, halfPx - 14);
      halves[at] = Math.max(halves[at] ?? 0, halfPx);
    };
    rows.forEach((row, index) => {
      if (row.type === 'sent' && this.#isWithin(row)) {
        const text = this.#captionOf(row, this.#after(index));
        around(laneOf(row.to), textWidth(text, { sizePx: 10 }) / 2 + 24);
      } else if (row.type === 'sent') {
        const ends = [laneOf(row.from), laneOf(row.to)].map((lane) => order.get(lane ?? -1) ?? 0);
        widen(Math.min(...ends), Math.max(...ends), textWidth(labelOf(row), { sizePx: 11 }) + 26);
      } else if (row.type === 'started' || row.type === 'taken') {
        const { width } = this.#pillOf(row);
        const follows = rows[index + 1];
        const ending = follows?.type === 'stopped' && follows.actor === row.actor ? 30 : 0;
        around(laneOf(row.actor), width / 2 + 15 + ending);
      }
    });
    // Between lanes of labels there is room for what leads from one to the other.
    gaps.forEach((gap, at) => {
      const [before, after] = [halves[at] ?? 0, halves[at + 1] ?? 0];
      if (lanes[at]?.isShared && lanes[at + 1]?.isShared) gaps[at] = Math.max(gap, before + after);
    });
    let x =
      this.#marginPx + Math.max(40, firstHalfPx, boxWidth(lanes[0]?.title ?? '', lanes[0]?.kind ?? '') / 2);
    lanes.forEach(({ index, title, kind }, at) => {
      this.#xs.set(index, Math.round(x));
      this.#reach(Math.round(x) + boxWidth(title, kind) / 2);
      x += gaps[at] ?? 0;
    });
  }

  #x(actor: number | undefined): number {
    return this.#xs.get(this.#plan.laneOf(actor) ?? -1) ?? this.#marginPx;
  }

  #head({ index, title, kind, actors }: Lane): string {
    const x = this.#xs.get(index) ?? this.#marginPx;
    const width = boxWidth(title, kind);
    const { top, height } = headPx;
    return [
      `<g data-actors="${actors.join(' ')}"><title>${escapeText(title)}</title>`,
      `<rect class="actor" x="${x - width / 2}" y="${top}" width="${width}" height="${height}" rx="5"/>`,
      `<text class="name" x="${x}" y="${top + 14}" text-anchor="middle">${escapeText(shorten(title))}</text>`,
      `<text class="small soft" x="${x}" y="${top + 26}" text-anchor="middle">${escapeText(shorten(kind))}</text></g>`,
    ].join('');
  }

  #row(entry: RunEntry | GapRow, [before, after]: readonly (RunEntry | GapRow | undefined)[]): void {
    const row: Row = { entry, fromPx: this.#y, parts: [], toPx: this.#y };
    this.#parts = row.parts;
    switch (entry.type) {
      case 'gap':
        this.#gap(entry);
        break;
      case 'started':
        this.#started(entry);
        break;
      case 'sent':
        if (this.#isWithin(entry)) this.#caption(entry, this.#captionOf(entry, after));
        else this.#arrow(entry);
        break;
      case 'taken':
        this.#refused(entry);
        this.#pill(entry);
        break;
      case 'ignored': {
        this.#refused(entry);
        const text = entry.ended ? `ignored: it had ended` : 'ignored';
        this.#note(this.#named(entry.actor, text), this.#x(entry.actor) + 8, 'guard slanted');
        break;
      }
      case 'stopped':
        this.#stopped(entry, before);
    }
    row.toPx = this.#y;
    if (row.parts.length > 0) this.#rows.push(row);
  }

  #started(entry: StartedEntry): void {
    const parent = this.#plan.parentOf(entry.actor);
    if (parent !== undefined && this.#x(parent) !== this.#x(entry.actor)) {
      this.#time(entry.atMs, this.#y + 14);
      this.#line([this.#x(parent), this.#x(entry.actor)], 'start', 'start');
    } else if (entry.entered.length === 0 && this.#plan.nameOf(entry.actor) !== '') {
      this.#caption(entry, this.#named(entry.actor, 'started'));
    }
    const source = this.#threads.begin(entry.actor);
    const mark = this.#pill(entry);
    if (source !== undefined && mark !== undefined) this.#thread(entry, [source, mark]);
  }

  /** From where a thing was last seen to where it comes next, beneath all that lies between. */
  #thread({ sequence }: StartedEntry, [from, to]: [Mark, Mark]): void {
    const side = to.x > from.x ? 1 : -1;
    const [x1, x2] = [from.x + side * from.halfPx, to.x - side * to.halfPx];
    const bend = Math.round((x1 + x2) / 2);
    this.#beneath.push(
      `<g data-entry="${sequence}"><path class="thread" d="M${x1} ${from.y}C${bend} ${from.y} ${bend} ${to.y} ${x2 - side * 3} ${to.y}"/>` +
        `<circle class="startArrow" cx="${x2 - side * 2}" cy="${to.y}" r="2"/></g>`,
    );
  }

  #arrow(entry: SentEntry): void {
    const label = labelOf(entry);
    const [from, to] = [this.#x(entry.from), this.#x(entry.to)];
    this.#time(entry.atMs, this.#y + 14);
    if (from === to) this.#loop(from, label);
    else this.#line([from, to], messageKind(entry.event), label);
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

  /** Whether an event stays within the lane of a label, or comes to it from outside: there it is no arrow. */
  #isWithin({ from, to }: SentEntry): boolean {
    const { nameOf, laneOf } = this.#plan;
    return nameOf(to) !== '' && (from === undefined || laneOf(from) === laneOf(to));
  }

  /** The row below says whose event it is, if it tells what the event did. */
  #captionOf(entry: SentEntry, next: RunEntry | GapRow | undefined): string {
    const { from, to, event } = entry;
    const text =
      messageKind(entry.event) === 'message' || from === undefined || from === to
        ? labelOf(entry)
        : this.#named(from, labelOf(entry));
    const isTold =
      (next?.type === 'ignored' || (next?.type === 'taken' && next.entered.length > 0)) &&
      next.actor === to &&
      next.event === event;
    return isTold ? text : `${text} → ${this.#plan.nameOf(to)}`;
  }

  #caption(entry: SentEntry | StartedEntry, text: string): void {
    const isMessage = entry.type === 'sent';
    const look = isMessage ? messageKind(entry.event) : 'start';
    const slanted = isMessage && entry.from === entry.to ? ' slanted' : '';
    const x = this.#x(isMessage ? entry.to : entry.actor);
    this.#time(entry.atMs, this.#y + 11);
    this.#parts.push(
      `<text class="small ${look}Text${slanted}" x="${x}" y="${this.#y + 11}" text-anchor="middle">${escapeText(text)}</text>`,
    );
    this.#reach(x + textWidth(text, { sizePx: 10 }) / 2);
    this.#y += rowPx.caption;
  }

  #pillOf({ actor, entered }: StartedEntry | TakenEntry): { name: string; text: string; width: number } {
    const text = statesText(entered);
    const name = this.#plan.nameOf(actor);
    const who = name === '' ? '' : `${name}: `;
    const width = textWidth(text, { sizePx: 11, bold: true }) + textWidth(who, { sizePx: 11 }) + 18;
    return { name: who, text, width };
  }

  #pill(entry: StartedEntry | TakenEntry): Mark | undefined {
    const { name, text, width } = this.#pillOf(entry);
    if (text === '') return undefined;
    const x = this.#x(entry.actor);
    const who = name === '' ? '' : `<tspan class="who">${escapeText(name)}</tspan>`;
    this.#time(entry.atMs, this.#y + 14);
    this.#parts.push(
      `<rect class="pill" x="${Math.round(x - width / 2)}" y="${this.#y + 2}" width="${width}" height="17" rx="8.5"/>` +
        `<text class="strong" x="${x}" y="${this.#y + 14}" text-anchor="middle">${who}${escapeText(text)}</text>`,
    );
    this.#reach(x + width / 2);
    const mark = { x, y: this.#y + 10.5, halfPx: Math.round(width / 2) };
    this.#y += rowPx.pill;
    this.#threads.note(entry.actor, mark);
    return mark;
  }

  #refused({ actor, refused }: { actor: number; refused: readonly string[] }): void {
    for (const name of refused.slice(0, 4))
      this.#note(`if ${shorten(guardOf(name))}: no`, this.#x(actor) + 8, 'guard');
  }

  /** Beside the state that it ended in, if that was the last thing to be drawn. */
  #stopped({ actor, status }: StoppedEntry, before: RunEntry | GapRow | undefined): void {
    // What its parent was told has said so.
    if (status !== 'stopped' && this.#plan.parentOf(actor) !== undefined) return;
    const x = this.#x(actor);
    const look = status === 'error' ? 'small error' : 'small soft';
    const pill = before?.type === 'taken' && before.actor === actor ? this.#pillOf(before) : undefined;
    if (pill !== undefined && pill.text !== '') {
      const beside = x + pill.width / 2 + 6;
      this.#parts.push(
        `<text class="${look}" x="${beside}" y="${this.#y - rowPx.pill + 14}">${status}</text>`,
      );
      this.#reach(beside + textWidth(status, { sizePx: 10 }));
      return;
    }
    const y = this.#y + 5;
    const text = this.#named(actor, status);
    this.#parts.push(
      `<path class="rule" d="M${x - 8} ${y}h16"/><text class="${look}" x="${x + 12}" y="${y + 4}">${escapeText(text)}</text>`,
    );
    this.#reach(x + 12 + textWidth(text, { sizePx: 10 }));
    this.#y += rowPx.note;
  }

  #gap({ entries }: GapRow): void {
    const text = `… ${counted(entries, 'entry', 'entries')} not drawn …`;
    this.#note(text, this.#marginPx, 'small soft slanted');
    this.#y += rowPx.gap - rowPx.note;
  }

  #named(actor: number, text: string): string {
    const name = this.#plan.nameOf(actor);
    return name === '' ? text : `${name}: ${text}`;
  }

  #note(text: string, x: number, look = 'small soft'): void {
    this.#parts.push(`<text class="${look}" x="${x}" y="${this.#y + 10}">${escapeText(text)}</text>`);
    this.#reach(x + textWidth(text, { sizePx: 10 }));
    this.#y += rowPx.note;
  }

  /** Written once for all that happened at the same time. */
  #time(atMs: number, y: number): void {
    const text = timeText(atMs);
    if (text === this.#shownTime) return;
    this.#shownTime = text;
    this.#parts.push(
      `<text class="small soft" x="${this.#marginPx - 14}" y="${y}" text-anchor="end">${escapeText(text)}</text>`,
    );
  }

  /** Makes room for what ends there. */
  #reach(x: number): void {
    this.#rightmostPx = Math.max(this.#rightmostPx, x - rightPx + 24);
  }
}

const timeWidth = (atMs: number): number => textWidth(timeText(atMs), { sizePx: 10 });

function rowGroup({ entry, fromPx, toPx, parts }: Row, width: number): string {
  if (entry.type === 'gap') return parts.join('');
  // What is drawn beside the row above has no height of its own.
  const band = toPx > fromPx ? `<path class="band" d="M0 ${fromPx}h${width}V${toPx}H0z"/>` : '';
  return `<g data-entry="${entry.sequence}">${band}${parts.join('')}</g>`;
}

function labelOf({ event }: SentEntry): string {
  return shorten(eventText(event), 40);
}

function boxWidth(title: string, kind: string): number {
  const px = Math.max(
    textWidth(shorten(title), { sizePx: 12, bold: true }),
    textWidth(shorten(kind), { sizePx: 10 }),
  );
  return 2 * Math.ceil((px + 18) / 2);
}
