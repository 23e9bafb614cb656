/** Widths of the printable ASCII characters from space on, in thousandths of the font size: Helvetica's. */
const widths =
  '278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 ' +
  '584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 ' +
  '667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 ' +
  '278 556 500 722 500 500 500 334 260 334 584';
const advances = widths.split(' ').map(Number);
/** What stands in for Helvetica where it is missing may be this much wider, and its bold letters even more. */
const margin = 1.14;
const boldFactor = 1.1;
/** Wide enough for most letters outside ASCII; East Asian ones take a full square. */
const otherAdvance = 600;
const fullAdvance = 1_000;
const firstFullWidth = 0x1100;

/** About how wide a text will be, in px. */
export function textWidth(
  text: string,
  { sizePx, bold = false }: { sizePx: number; bold?: boolean },
): number {
  let total = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const isArrow = code >= 0x2000 && code < 0x2e80;
    total +=
      advances[code - 32] ??
      (code >= firstFullWidth && !isArrow ? fullAdvance : otherAdvance + (isArrow ? 400 : 0));
  }
  return Math.ceil((total / 1_000) * sizePx * margin * (bold ? boldFactor : 1));
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** What XML 1.0 does not allow, even escaped: control characters, halves of pairs, non-characters. */
// oxlint-disable-next-line no-control-regex -- these are the characters to be replaced
const forbidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]|\p{Surrogate}/gu;
/** These turn the direction of what follows them, and could make a name look like another. */
const turning = /[\u202a-\u202e\u2066-\u2069\u200e\u200f]/g;

/** Any text as it may stand in XML and HTML, between tags and in attributes. */
export function escapeText(text: string): string {
  return text
    .replaceAll(forbidden, '\ufffd')
    .replaceAll(turning, '\ufffd')
    .replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** A text of at most some characters, cut in the middle, since both ends of a name tell names apart. */
export function shorten(text: string, maxLength = 42): string {
  const characters = Array.from(text.replaceAll(/\s+/g, ' '));
  if (characters.length <= maxLength) return characters.join('');
  const kept = Math.floor((maxLength - 1) / 2);
  return `${characters.slice(0, maxLength - 1 - kept).join('')}…${characters.slice(-kept).join('')}`;
}

/** A duration as people read it, such as `304 µs`, `33.5 ms`, `2 min 5 s`. */
export function durationText(ms: number): string {
  if (ms < 0.001) return '0 ms';
  if (ms < 1) return `${Math.round(ms * 1_000)} µs`;
  if (ms < 1_000) return `${oneDecimal(ms)} ms`;
  if (ms < 60_000) return `${oneDecimal(ms / 1_000)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return parts([Math.floor(seconds / 60), 'min'], [seconds % 60, 's']);
  const minutes = Math.round(seconds / 60);
  return parts([Math.floor(minutes / 60), 'h'], [minutes % 60, 'min']);
}

function oneDecimal(value: number): number {
  return value < 100 ? Math.round(value * 10) / 10 : Math.round(value);
}

function parts([more, moreUnit]: [number, string], [less, lessUnit]: [number, string]): string {
  return less === 0 ? `${more} ${moreUnit}` : `${more} ${moreUnit} ${less} ${lessUnit}`;
}
