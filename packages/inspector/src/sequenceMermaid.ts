import { eventText, guardOf, messageKind, statesText, timeText } from './internal/eventText.ts';
import { counted, lanesOf, type GapRow, type Lanes } from './internal/lanes.ts';
import { mermaidText } from './internal/mermaidText.ts';
import { shorten } from './internal/svgText.ts';
import type { Run, RunEntry, SentEntry } from './run.ts';
import { laneConfig, type SequenceConfig } from './sequence.ts';

/** What of a run the source of a sequence tells. */
export interface SequenceMermaidConfig extends SequenceConfig {
  /**
   * Whether it says when things happened. Without times the same steps give the same text on every machine, so that it can be a
   * snapshot. @default false
   */
  readonly times?: boolean;
}

/**
 * A run as the source of a Mermaid `sequenceDiagram`, for documents and for snapshots that show in a diff what has changed: a
 * participant for each actor, messages, and the states they entered as notes. Any name is safe in it.
 *
 * @throws {RangeError} when `maxEntries` or `maxLanes` is no whole number from 0 on
 * @example
 * ```ts
 * await expect(sequenceMermaid(recorder.run())).toMatchFileSnapshot('request.mmd');
 * ```
 */
export function sequenceMermaid(run: Run, config: SequenceMermaidConfig = {}): string {
  return new Source(lanesOf(run, laneConfig(config)), config.times ?? false).write();
}

class Source {
  readonly #plan: Lanes;
  readonly #times: boolean;
  readonly #lines = ['sequenceDiagram'];
  #shownTime = '';

  constructor(plan: Lanes, times: boolean) {
    this.#plan = plan;
    this.#times = times;
  }

  write(): string {
    const { lanes, rows, remarks } = this.#plan;
    for (const { index, title } of lanes) this.#line(`participant p${index} as ${safe(title)}`);
    for (const row of rows) this.#row(row);
    const all = lanes.length === 0 ? ['Nothing happened.', ...remarks] : remarks;
    for (const remark of all) this.#overAll(remark);
    return `${this.#lines.join('\n')}\n`;
  }

  #row(row: RunEntry | GapRow): void {
    switch (row.type) {
      case 'gap':
        this.#overAll(`… ${counted(row.entries, 'entry', 'entries')} not drawn …`);
        return;
      case 'started': {
        const parent = this.#plan.parentOf(row.actor);
        const isApart = parent !== undefined && this.#at(parent) !== this.#at(row.actor);
        const text = this.#named(row.actor, 'start');
        if (isApart)
          this.#line(`${this.#at(parent)}-->>${this.#at(row.actor)}: ${this.#told(text, row.atMs)}`);
        this.#states(row);
        return;
      }
      case 'sent':
        this.#message(row);
        return;
      case 'taken':
        this.#refused(row);
        this.#states(row);
        return;
      case 'ignored':
        this.#refused(row);
        this.#note(row.actor, this.#named(row.actor, row.ended ? 'ignored, it had ended' : 'ignored'));
        return;
      case 'stopped': {
        // What its parent was told has said so.
        const isTold = this.#plan.parentOf(row.actor) !== undefined;
        if (row.status === 'stopped' || !isTold)
          this.#note(row.actor, `${this.#named(row.actor, 'ends')}: ${row.status}`);
      }
    }
  }

  #message({ from, to, event, atMs }: SentEntry): void {
    const arrow = { done: '-->>', failed: '--x', message: '->>' }[messageKind(event)];
    // Outside is not drawn where only lanes of labels hear of it.
    const source = this.#plan.lanes.some(({ index }) => index === this.#plan.laneOf(from)) ? from : to;
    const isEnding = messageKind(event) !== 'message';
    const text = this.#named(isEnding ? (from ?? to) : to, shorten(eventText(event), 40));
    this.#line(`${this.#at(source)}${arrow}${this.#at(to)}: ${this.#told(text, atMs)}`);
  }

  #states({ actor, entered, atMs }: { actor: number; entered: readonly string[]; atMs: number }): void {
    const text = statesText(entered);
    if (text !== '') this.#note(actor, this.#told(this.#named(actor, text), atMs));
  }

  #refused({ actor, refused }: { actor: number; refused: readonly string[] }): void {
    for (const name of refused.slice(0, 4))
      this.#note(actor, this.#named(actor, `if ${shorten(guardOf(name))} (no)`));
  }

  #note(actor: number, text: string): void {
    this.#line(`Note over ${this.#at(actor)}: ${text}`);
  }

  #overAll(text: string): void {
    const { lanes } = this.#plan;
    const [first, last] = [lanes[0]?.index, lanes.at(-1)?.index];
    if (first === undefined || last === undefined) this.#line(`participant p0 as ${safe(text)}`);
    else this.#line(`Note over ${first === last ? `p${first}` : `p${first},p${last}`}: ${safe(text)}`);
  }

  #at(actor: number | undefined): string {
    return `p${this.#plan.laneOf(actor) ?? 0}`;
  }

  #named(actor: number, text: string): string {
    const name = this.#plan.nameOf(actor);
    return safe(name === '' ? text : `${name} → ${text}`);
  }

  /** With the time, once for all that happened at it. */
  #told(text: string, atMs: number): string {
    const time = timeText(atMs);
    if (!this.#times || time === this.#shownTime) return text;
    this.#shownTime = time;
    return `${time} · ${text}`;
  }

  #line(text: string): void {
    this.#lines.push(this.#lines.length === 0 ? text : `  ${text}`);
  }
}

const safe = (text: string): string => mermaidText(text, 120);
