import type { ScenarioProgress } from '@lloom/simulator';
import type { Output } from '../output.ts';

const steps = 10;

/** Shows how far a run is: on a terminal in a line that is replaced, elsewhere in a line for each tenth of the time. */
export class ProgressTeller {
  readonly #output: Output;
  readonly #title: string;
  readonly #isBrief: boolean;
  #toldSteps = 0;

  /** `title` begins each line on a terminal. A brief one says nothing elsewhere. */
  constructor(output: Output, { title = '', isBrief = false } = {}) {
    this.#output = output;
    this.#title = title === '' ? '' : `${title}  `;
    this.#isBrief = isBrief;
  }

  /** To be called after every sample. */
  tell(progress: ScenarioProgress): void {
    const line = lineOf(progress);
    this.#output.status(`${this.#title}${line}`);
    const step = Math.floor((steps * progress.elapsedMs) / progress.durationMs);
    if (step <= this.#toldSteps || this.#isBrief) return;
    this.#toldSteps = step;
    if (this.#output.json) this.#output.event('progress', progress);
    if (!this.#output.isWatched) this.#output.note(line);
  }
}

/** How far a run is, for people. */
export function lineOf({ elapsedMs, durationMs, up, asked, answered, failed }: ScenarioProgress): string {
  const percent = `${Math.floor((100 * elapsedMs) / durationMs)} %`.padStart(5);
  const digits = durationMs < 10_000 ? 1 : 0;
  const [now, end] = [elapsedMs, durationMs].map((ms) => (ms / 1_000).toFixed(digits));
  const time = `${now?.padStart(end?.length ?? 0)} of ${end} s`;
  return `${percent}  ${time}  ${up} up  ${asked} asked, ${answered} answered, ${failed} failed`;
}
