import { percentText, type MissedPart, type Share } from '../internal/shares.ts';
import { escapeText } from '../internal/svgText.ts';

/** How much of something was reached, with a bar. */
export function shareHtml(name: string, share: Share): string {
  const { reached, total } = share;
  return `<span class="share">${name} <b>${reached}/${total}</b>${meterHtml(share)}<span class="soft">${percentText(share)}</span></span>`;
}

/** A bar beside figures that say the same. */
export function meterHtml({ reached, total }: Share): string {
  const look = reached === total ? 'whole' : 'part';
  const width = total === 0 ? 64 : Math.round((reached * 640) / total) / 10;
  return (
    '<svg class="meter" width="64" height="8" aria-hidden="true"><rect width="64" height="8" rx="4"/>' +
    `<rect class="${look}" width="${width}" height="8" rx="4"/></svg>`
  );
}

/** A list of what was never reached, which a script makes lead to its place in the chart. */
export function missedHtml(
  title: string,
  kind: 'state' | 'transition',
  missed: readonly MissedPart[],
): string {
  if (missed.length === 0) return '';
  const items = missed.map(
    ({ key, name, shown }) =>
      `<li data-kind="${kind}" data-key="${escapeText(key)}"${name === shown ? '' : ` title="${escapeText(name)}"`}>${escapeText(shown)}</li>`,
  );
  return `<div><h3>${title} <span class="soft">${missed.length}</span></h3><ul class="missed">${items.join('')}</ul></div>`;
}

/** A picture that a reader can scroll, and with a script zoom. */
export function viewHtml(label: string, svg: string, id?: string): string {
  const own = id === undefined ? '' : ` id="${id}"`;
  return `<div class="view"${own} tabindex="0" role="region" aria-label="${escapeText(label)}">${svg}</div>`;
}

/** A number of things, with its noun. */
export function counted(count: number, one: string, many: string): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/** The outcome of a test is coloured, other words are not. */
export function outcomeHtml(text: string): string {
  const look = text.startsWith('passed') ? 'good' : /^(?:failed|timed out)/.test(text) ? 'bad' : '';
  return `<b class="outcome ${look}">${escapeText(text)}</b>`;
}
