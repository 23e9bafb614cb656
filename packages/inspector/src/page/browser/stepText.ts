import type { PageData } from '../types.ts';

/** A step in words. */
export interface StepText {
  /** Where in the run it is. */
  readonly position: string;
  readonly lines: readonly { readonly name: string; readonly value: string }[];
}

/** Runs in the browser: says what happened in a step; beyond the last one, what the whole run is. */
export function stepText(
  { actors, machines, steps, duration, caller }: PageData,
  position: number,
): StepText {
  const step = steps[position];
  if (step === undefined) {
    const hint =
      steps.length === 0 ? 'Nothing happened.' : 'Play it, step with ← and →, or click on a message.';
    return {
      position: `${steps.length} steps · ${duration}`,
      lines: [{ name: 'The whole run.', value: hint }],
    };
  }
  const name = (actor: number): string => actors[actor]?.name ?? caller;
  const machine = machines[actors[step.actor]?.machine ?? -1];
  const transitions = (indices: readonly number[]): string =>
    indices.map((index) => machine?.transitions[index]?.[1] ?? '').join('; ');
  const paths = (step.entered ?? []).map((index) => machine?.states[index]?.[1] ?? '');
  const leaves = paths.filter((path) => !paths.some((other) => other.startsWith(`${path}.`)));
  const from = step.from === undefined || step.from === step.actor ? '' : ` from ${name(step.from)}`;
  const lines = [{ name: name(step.actor), value: `${step.text}${from}` }];
  const add = (title: string, value: string): void => {
    if (value !== '') lines.push({ name: title, value });
  };
  if (step.missing !== undefined)
    add('Missing', `${step.missing} entries before this; what is lit is known since then`);
  add('Took', transitions(step.taken ?? []));
  add('Refused', transitions(step.refused ?? []));
  add('Entered', leaves.join(', '));
  if (step.isIgnored === true)
    add('Ignored', machine === undefined ? 'it had ended' : 'it has no use for it now');
  return { position: `${position + 1}/${steps.length} · ${step.at} · ${step.text}`, lines };
}
